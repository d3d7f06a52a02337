"""`git mimo undo`: take back what the last commands moved."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, open_repository
from gitmimo.codec import to_json
from gitmimo.git.refs import short_name
from gitmimo.workflow.undo import undo, undoable


@click.command("undo")
@click.argument("operation", required=False)
@click.option("--list", "only_list", is_flag=True, help="List what can be undone, newest first.")
@click.option("--checkout", is_flag=True, help="Take the files of a clean checkout along.")
@json_option
def undo_command(operation: str | None, only_list: bool, checkout: bool, as_json: bool) -> int:
    """Restore refs to what they were before the last git-mimo command that moved any; again and again.

    Nothing moves when somebody committed on top since: then a revert is the way, and the hint says which. OPERATION
    names one of `--list`.
    """
    repository = open_repository()
    if only_list:
        found = undoable(repository)
        if as_json:
            render.emit_json({"schema": "git-mimo/undo-list/1", "operations": to_json(found)})
            return 0
        rows = [
            (op.id, f"{op.time:%Y-%m-%d %H:%M}", op.command, ", ".join(short_name(m.ref) for m in op.moves))
            for op in found
        ]
        render.out(render.table(("id", "when", "command", "refs"), rows) if rows else "nothing is left to undo")
        return 0
    done = undo(repository, id=operation, with_checkout=checkout)
    if as_json:
        render.emit_json({"schema": "git-mimo/undo/1", "record": done.record, "operation": to_json(done.operation)})
        return 0
    for move in done.operation.moves:
        render.say(
            f"{short_name(move.ref)} is back at {move.old[:12]}" if move.old else f"{short_name(move.ref)} is gone"
        )
    render.hint(f"git mimo undo {done.record}   # takes that back")
    return 0
