"""`git mimo merge`: bring a result into its branch."""

import sys

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, load_config, open_repository, session_argument
from gitmimo.cli.live import watching
from gitmimo.workflow.history import find_session, read_session
from gitmimo.workflow.merging import merge_session


@click.command("merge")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=0))
@click.option("--into", help="Merge into this branch instead of the one the session started from.", metavar="BRANCH")
@click.option("--sandbox", type=click.Choice(["auto", "bwrap", "landlock", "none"]), help="Where tests run.")
@json_option
def merge_command(session: str | None, number: int | None, into: str | None, sandbox: str | None, as_json: bool) -> int:
    """Merge a session's result, or candidate NUMBER of it, into its branch.

    Fast-forward where possible. When the branch has moved, the merge is made in memory and the merged tree is tested
    before anything moves. A conflict names its files and changes nothing (exit 2).
    """
    repository = open_repository()
    config = load_config(repository, {"sandbox": sandbox})
    state = read_session(repository, find_session(repository, session))
    with watching(stream=sys.stderr, quiet=True) as observe:
        landing = merge_session(repository, config, state.result, number=number, into=into, observe=observe)
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
