"""`git mimo cost`: what was spent."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, open_repository
from gitmimo.text import tokens, usd

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
    render.out(_table(by, rows))
    return 0


def _table(by: str, rows: Sequence[Totals]) -> str:
    lines = [(_name(by, row.key), usd(row.usd), tokens(row.usage.total), str(row.calls)) for row in rows]
    if len(rows) > 1:
        total, calls = sum(row.usage.total for row in rows), sum(row.calls for row in rows)
        lines.append(("all", usd(sum(row.usd for row in rows)), tokens(total), str(calls)))
    return render.table((by, "cost", "tokens", "calls"), lines)


def _name(by: str, key: str) -> str:
    """The name of a row; calls without a candidate are the session's plans, reviews and answers."""
    return f"{key.removesuffix('/0')} plan, review" if by == "candidate" and key.endswith("/0") else key
