"""`git mimo list|status`: how sessions stand, from their journals alone."""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from gitmimo.cli import render
from gitmimo.cli.basics import json_option, seconds, session_argument, short, usd
from gitmimo.codec import to_json
from gitmimo.git.place import Place, find_place, require_work_tree
from gitmimo.results import SessionStatus
from gitmimo.workflow.history import (
    SessionState,
    find_session,
    read_all,
    read_running,
    read_session,
    read_standing,
)

_SHOWN = 5


@click.command("list")
@click.option("-n", "--max-count", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
def list_command(max_count: int | None, as_json: bool) -> int:
    """List the sessions of this repository, newest first."""
    states = list(read_all(_find_place(), limit=max_count))
    if as_json:
        render.emit_json({"schema": "git-mimo/list/1", "sessions": [_brief(state) for state in states]})
        return 0
    if not states:
        render.say("no session yet")
        render.hint('git mimo start --task "..."')
        return 0
    _print_states(states)
    return 0


@click.command("status")
@session_argument
@click.option("-w", "--watch", is_flag=True, help="Say it again every second while a session runs.")
@json_option
def status_command(session: str | None, watch: bool, as_json: bool) -> int:
    """Say how sessions stand: those that run, then the newest."""
    place = _find_place()
    while watch and _is_any_running(place, session):
        if sys.stdout.isatty():
            click.clear()
        _tell_status(place, session, as_json=as_json)
        sys.stdout.flush()
        time.sleep(1.0)
    return _tell_status(place, session, as_json=as_json)


def _is_any_running(place: Place, session: str | None) -> bool:
    if session:
        return read_session(place, find_session(place, session)).result.status is SessionStatus.RUNNING
    return bool(read_running(place))


def _tell_status(place: Place, session: str | None, *, as_json: bool) -> int:
    states = [read_session(place, find_session(place, session))] if session else read_standing(place, at_least=_SHOWN)
    if as_json:
        render.emit_json({"schema": "git-mimo/status/1", "sessions": [_brief(state) for state in states]})
        return 0
    if not states:
        render.say("no session yet")
        render.hint('git mimo start --task "..."')
        return 0
    _print_states(states)
    for state in states:
        if state.result.status is SessionStatus.STOPPED:
            render.hint(f"session {state.result.session} was cut off after `{state.phase}`; what it made is kept")
            render.hint(f"git mimo resume {state.result.session}")
    return 0


def _find_place() -> Place:
    place = find_place(Path.cwd())
    require_work_tree(place)
    return place


def _print_states(states: list[SessionState]) -> None:
    rows = []
    for state in states:
        result = state.result
        winner = str(result.verdict.winner) if result.verdict and result.verdict.winner is not None else "-"
        rows.append(
            (
                result.session,
                result.status.value + (" (merged)" if result.merged else ""),
                f"{result.started:%Y-%m-%d %H:%M}" if result.started else "-",
                str(len(result.candidates)),
                winner,
                usd(result.cost_usd),
                seconds(result.seconds) if result.seconds else "-",
                short((result.task or result.message).strip().partition("\n")[0], 60),
            )
        )
    lines = render.table(("session", "status", "started", "n", "winner", "cost", "time", "task"), rows).splitlines()
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in lines:
        render.out(line if not columns or len(line) <= columns else f"{line[: columns - 1]}…")


def _brief(state: SessionState) -> dict[str, Any]:
    result = state.result
    return {
        "session": result.session,
        "status": result.status.value,
        "phase": state.phase,
        "task": result.task,
        "started": to_json(result.started),
        "base": result.base,
        "target_branch": result.target_branch,
        "candidates": len(result.candidates),
        "winner": result.verdict.winner if result.verdict else None,
        "result_branch": result.result_branch,
        "merged": result.merged,
        "usd": result.cost_usd,
        "tokens": result.usage.total,
        "seconds": result.seconds,
        "message": result.message,
    }
