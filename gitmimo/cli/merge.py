"""`git mimo merge`: bring a result into its branch."""

import click

from gitmimo.cli import render
from gitmimo.cli.completion import complete_branches, complete_candidates, complete_operations
from gitmimo.cli.options import json_option, load_config, open_repository, session_argument, settings


@click.command("merge")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=0), shell_complete=complete_candidates)
@click.option("--into", help="Merge into this branch instead of the one the session started from.", metavar="BRANCH",
              shell_complete=complete_branches)  # fmt: skip
@settings("sandbox")
@json_option
def merge_command(session: str | None, number: int | None, into: str | None, sandbox: str | None, as_json: bool) -> int:
    """Merge a session's result, or candidate NUMBER of it, into its branch.

    Fast-forward where possible. When the branch has moved, the merge is made in memory and the merged tree is tested
    before anything moves. A conflict names its files and changes nothing (exit 2).
    """
    from gitmimo.workflow.history import find_session, read_session
    from gitmimo.workflow.merge import merge_session
    from gitmimo.workflow.progress import unobserved

    repository = open_repository()
    config = load_config(repository, {"sandbox": sandbox})
    state = read_session(repository, find_session(repository, session))
    landing = merge_session(repository, config, state.result, number=number, into=into, observe=unobserved)
    if as_json:
        render.emit_json(
            {
                "schema": "git-mimo/merge/1",
                "session": state.result.session,
                "branch": landing.branch,
                "commit": landing.commit,
                "fast_forward": landing.fast_forward,
                "retested": landing.evidence is not None,
            }
        )
        return 0
    how = "fast-forward" if landing.fast_forward else "merge, re-tested"
    render.say(f"{landing.branch} is now {landing.commit[:12]} ({how})")
    return 0


@click.command("undo")
@click.argument("operation", required=False, shell_complete=complete_operations)
@click.option("--list", "only_list", is_flag=True, help="List what can be undone, newest first.")
@click.option("--checkout", is_flag=True, help="Take the files of a clean checkout along.")
@json_option
def undo_command(operation: str | None, only_list: bool, checkout: bool, as_json: bool) -> int:
    """Restore refs to what they were before the last git-mimo command that moved any.

    What is older is taken back by its name, OPERATION, one of `--list`. Nothing moves when somebody committed on top
    since: then a revert is the way, and the hint says which.
    """
    from gitmimo.codec import to_json
    from gitmimo.refnames import short_name
    from gitmimo.workflow.undo import undo, undoable

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
