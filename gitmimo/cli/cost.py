"""`git mimo cost`: what was spent."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, open_repository, tokens, usd
from gitmimo.llm.ledger import Ledger


@click.command("cost")
@click.option("--by", type=click.Choice(["session", "model", "day", "candidate"]), default="session", show_default=True,
              help="What a row adds up.")  # fmt: skip
@json_option
def cost_command(by: str, as_json: bool) -> int:
    """Say what was spent in this repository, by session, model, day or candidate."""
    repository = open_repository()
    path = repository.state_dir / "ledger.sqlite3"
    rows = Ledger(repository.state_dir).spent(by=by) if path.exists() else []
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
    most = max(row.usd for row in rows) or max(row.usage.total for row in rows) or 1
    lines = []
    for row in rows:
        share = (row.usd or (row.usage.total if most > 1 else 0)) / most
        lines.append((row.key, usd(row.usd), tokens(row.usage.total), str(row.calls), "█" * round(share * 30)))
    render.out(render.table((by, "cost", "tokens", "calls", ""), lines))
    return 0
