"""`git mimo cost`: what was spent."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, open_repository
from gitmimo.format import tokens, usd
from gitmimo.text import one_line

if TYPE_CHECKING:
    from gitmimo.llm.ledger import Totals

_SHORTEST_BAR = 6
_LONGEST_BAR = 40
_LEFT_OF_BAR = 26  # cost, tokens and calls, with the gaps between


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
        values = [
            {"key": row.key, "usd": row.usd, "calls": row.calls, "tokens":
             {"prompt": row.usage.prompt, "cached": row.usage.cached, "completion": row.usage.completion}}
            for row in rows
        ]  # fmt: skip
        render.emit_json({"schema": "git-mimo/cost/1", "by": by, "rows": values})
        return 0
    if not rows:
        render.say("nothing was spent yet")
        return 0
    render.out(_chart(by, rows, columns=shutil.get_terminal_size().columns))
    return 0


def _chart(by: str, rows: Sequence[Totals], *, columns: int) -> str:
    """A line a row with its part as a bar, as wide as the terminal leaves; by money where any was spent."""
    counts_money = any(row.usd for row in rows)
    amounts = [row.usd if counts_money else row.usage.total for row in rows]
    most = max(amounts) or 1
    width = max(12, columns - _LEFT_OF_BAR)
    lines = [
        (one_line(_name(by, row.key), width), usd(row.usd), tokens(row.usage.total), str(row.calls), amount / most)
        for row, amount in zip(rows, amounts, strict=True)
    ]
    if len(rows) > 1:
        total = sum(row.usage.total for row in rows)
        calls = str(sum(row.calls for row in rows))
        lines.append(("all", usd(sum(row.usd for row in rows)), tokens(total), calls, 0.0))
    taken = sum(max(len(str(line[at])) for line in [(by, "cost", "tokens", "calls"), *lines]) + 2 for at in range(4))
    room = min(_LONGEST_BAR, columns - taken)
    heading = "share of the cost" if counts_money else "share of the tokens"
    return render.table(
        (by, "cost", "tokens", "calls", heading if room >= len(heading) else ""),
        [(*line[:4], _bar(line[4], room) if room >= _SHORTEST_BAR else "") for line in lines],
    )


def _name(by: str, key: str) -> str:
    """The name of a row; calls without a candidate are the session's plans, reviews and answers."""
    return f"{key.removesuffix('/0')} plan, review" if by == "candidate" and key.endswith("/0") else key


def _bar(share: float, width: int) -> str:
    """A bar to an eighth of a character; whatever was spent at all shows."""
    eighths = max(1, round(share * width * 8)) if share else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
