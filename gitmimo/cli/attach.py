"""`git mimo attach`: follow a session that runs elsewhere."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, open_repository, session_argument
from gitmimo.cli.start import EXIT_CODES, report
from gitmimo.journal import Entry
from gitmimo.results import SessionStatus
from gitmimo.workflow.detached import follow
from gitmimo.workflow.history import find_session, read_session
from gitmimo.workflow.land import result_json


@click.command("attach")
@session_argument
@json_option
def attach_command(session: str | None, as_json: bool) -> int:
    """Show what a session does until it ends, then its result. Interrupting this leaves the session running."""
    repository = open_repository()
    found = find_session(repository, session)

    def is_running() -> bool:
        return read_session(repository, found).result.status is SessionStatus.RUNNING

    try:
        follow(repository, found, _tell, is_running=is_running)
    except KeyboardInterrupt:
        render.say(f"session {found} goes on; to end it: git mimo stop {found}")
        return 130
    state = read_session(repository, found)
    if as_json:
        render.emit_json(result_json(state.result))
        return EXIT_CODES.get(state.result.status, 130)
    report(state.result)
    if state.result.status is SessionStatus.STOPPED:
        render.hint(f"git mimo resume {found}")
    return EXIT_CODES.get(state.result.status, 130)


def _tell(entry: Entry) -> None:
    data = entry.data
    who = f"candidate {data['candidate']}: " if "candidate" in data else ""
    match entry.event:
        case "step":
            what = f"step {data['step']}"
        case "candidate" | "worked":
            result = data["result"]
            who, what = f"candidate {result['number']}: ", f"{entry.event}, {result['status']}"
        case "base":
            what = f"base tests: {data['text']}"
        case _:
            what = entry.event if entry.done else f"{entry.event} begins"
    render.say(f"{entry.time:%H:%M:%S} {who}{what}")
