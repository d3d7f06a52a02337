"""`git mimo cost|gc|drop`: what sessions spent and left behind."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_sessions, json_option, open_repository, open_session
from gitmimo.errors import MimoError, NeedsPerson
from gitmimo.text import counted, tokens, usd
from gitmimo.workflow.gc import DEFAULT_EXPIRY

if TYPE_CHECKING:
    from gitmimo.llm.ledger import Totals


@click.command("cost")
@click.option("--by", type=click.Choice(["session", "model", "day", "candidate"]), default="session", show_default=True,
              help="What a row adds up.")  # fmt: skip
@json_option
def cost_command(by: str, as_json: bool) -> int:
    """Say what was spent in this repository, by session, model, day or candidate."""
    from gitmimo.llm.ledger import Ledger

    repository = open_repository()
    path = repository.state_dir / "ledger.sqlite3"
    rows: tuple[Totals, ...] = ()
    if path.exists():
        with contextlib.closing(Ledger(repository.state_dir)) as ledger:
            rows = ledger.spent(by=by)
    if as_json:
        values = [{"key": row.key, "usd": row.usd, "calls": row.calls, "tokens": row.usage} for row in rows]
        return render.emit_json("cost/1", {"by": by, "rows": values})
    if not rows:
        render.say("nothing was spent yet")
        return 0
    lines = []
    for row in rows:
        own = by == "candidate" and row.key.endswith("/0")  # plans, reviews and answers, which no candidate made
        name = f"{row.key.removesuffix('/0')} plan, review" if own else row.key
        lines.append((name, usd(row.usd), tokens(row.usage.total), str(row.calls)))
    if len(rows) > 1:
        total, calls = sum(row.usage.total for row in rows), sum(row.calls for row in rows)
        lines.append(("all", usd(sum(row.usd for row in rows)), tokens(total), str(calls)))
    render.out(render.table((by, "cost", "tokens", "calls"), lines))
    return 0


@click.command("gc")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--expire", default=DEFAULT_EXPIRY, help="Also forget steps, journals and caches older than this.",
              metavar="TIME|now|never", show_default=True)  # fmt: skip
@json_option
def gc_command(dry_run: bool, expire: str, as_json: bool) -> int:
    """Remove what git-mimo left: worktrees of killed sessions, and old steps, journals and caches.

    Only what is recorded as ours goes. Sessions that run, results, and branches that somebody built on stay; what a
    killed candidate had not committed is kept under refs/mimo/unfinished. Freed objects go with git's own gc.
    """
    from gitmimo.git.worktree import sweep_worktrees
    from gitmimo.workflow.gc import find_garbage, parse_expiry, remove_garbage
    from gitmimo.workflow.memory_home import repair_interrupted_commit

    repository = open_repository()
    if not dry_run:
        sweep_worktrees(repository)
        repair_interrupted_commit(repository)
    rows, failed = [], []
    for item in find_garbage(repository, expiry=parse_expiry(repository, expire)):
        try:
            if not dry_run:
                remove_garbage(repository, item)
            rows.append(item)
        except MimoError as exc:
            failed.append((item, exc.message))
    total = sum(item.size for item in rows)
    if as_json:
        items = [{"kind": i.kind, "name": i.name, "reason": i.reason, "bytes": i.size} for i in rows]
        left = [{"kind": i.kind, "name": i.name, "reason": why} for i, why in failed]
        render.emit_json("gc/1", {"dry_run": dry_run, "removed": items, "left": left, "bytes": total})
        return 1 if failed else 0
    if rows:
        lines = [(i.kind, _bytes(i.size) if i.size else "-", i.name, i.reason) for i in rows]
        render.out(render.table(("kind", "size", "name", "reason"), lines))
    for item, why in failed:
        render.say(f"left: {item.name}: {why}")
    render.say(f"{'would remove' if dry_run else 'removed'} {len(rows)} things, {_bytes(total)}")
    return 1 if failed else 0


@click.command("drop")
@click.argument("session", shell_complete=complete_sessions)
@click.option("-y", "--yes", is_flag=True, help="Without asking, also where its result was not merged.")
def drop_command(session: str, yes: bool) -> int:
    """Forget a session: its branches, steps and journal go. What was merged stays merged.

    Unmerged work is asked about. It cannot be taken back, but git keeps the commits until its own gc.
    """
    from gitmimo.workflow.gc import drop_session

    repository, result = open_session(session)
    found = result.session
    if result.result_branch and not result.merged and not yes:
        if not sys.stdin.isatty():
            raise NeedsPerson(
                f"its result is not merged: `{result.result_branch}`", hint=f"git mimo drop --yes {found}"
            )
        if not click.confirm(f"{result.result_branch} is not merged. Forget it?", err=True):
            return 2
    gone = drop_session(repository, found)
    render.say(f"session {found} is forgotten: {counted(len(gone), 'ref')} removed")
    return 0


def _bytes(size: int) -> str:
    return f"{size} B" if size < 10_000 else f"{size / 1000:.0f} kB" if size < 10_000_000 else f"{size / 1e6:.0f} MB"
