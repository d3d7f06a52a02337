"""`git mimo list|status|attach|show|stop|hint`: sessions, read from their journals alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import (
    json_option,
    open_repository,
    open_session,
    session_argument,
    split_target,
    target_arguments,
)
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.text import one_line, seconds, usd

if TYPE_CHECKING:
    from gitmimo.git.discovery import RepositoryPaths
    from gitmimo.git.repository import Repository
    from gitmimo.journal import Entry
    from gitmimo.records import CandidateResult
    from gitmimo.workflow.journals import SessionState

_SHOWN = 5


@click.command("list")
@click.option("-n", "--max-count", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
def list_command(max_count: int | None, as_json: bool) -> int:
    """List the sessions of this repository, newest first."""
    from gitmimo.workflow.journals import read_all

    states = list(read_all(_find_paths(), limit=max_count, decoded=False))
    return _print_states(states, schema="list/1" if as_json else "")


@click.command("status")
@session_argument
@json_option
def status_command(session: str | None, as_json: bool) -> int:
    """Show the state of sessions: running ones first, then the newest."""
    from gitmimo.workflow.journals import find_session, read_recent, read_session

    paths = _find_paths()
    states = [read_session(paths, find_session(paths, session))] if session else read_recent(paths, at_least=_SHOWN)
    _print_states(states, schema="status/1" if as_json else "")
    for state in () if as_json else states:
        if state.status is SessionStatus.STOPPED:
            render.hint(f"session {state.session} was cut off; what it made is kept")
            render.hint(f"git mimo resume {state.session}")
    return 0


def _find_paths() -> RepositoryPaths:
    from gitmimo.git.discovery import find_repository

    paths = find_repository(Path.cwd())
    paths.require_work_tree()
    return paths


def _print_states(states: list[SessionState], *, schema: str) -> int:
    """Print the sessions as JSON where a schema is given, else as a table."""
    if schema:
        return render.emit_json(schema, {"sessions": [state.brief() for state in states]})
    if not states:
        render.say("this clone has no session yet")
        render.hint('git mimo start "..."')
        render.hint("git mimo review origin/BRANCH   # a result that another clone pushed")
        return 0
    rows = []
    for state in states:
        brief = state.brief()
        rows.append(
            (
                brief["session"],
                brief["status"] + (" (merged)" if brief["merged"] else " (rejected)" if state.rejected else ""),
                brief["started"][:16].replace("T", " ") if brief["started"] else "-",
                f"{'-' if brief['winner'] is None else brief['winner']} of {brief['candidates']}",
                usd(brief["usd"]),
                seconds(brief["seconds"]) if brief["seconds"] else "-",
                one_line((brief["task"] or brief["message"]).strip().partition("\n")[0], 60),
            )
        )
    render.out(render.table(("session", "status", "started", "winner", "cost", "time", "task"), rows))
    return 0


@click.command("attach")
@target_arguments
@json_option
def attach_command(session: str | None, number: int | None, as_json: bool) -> int:
    """Show what a session does until it ends, then its result. Interrupting this leaves the session running.

    With NUMBER every step of that candidate is shown as it is made: what the model said, ran, saw and edited.
    """
    from gitmimo.cli.start import finish
    from gitmimo.workflow.journals import follow, read_session

    repository = open_repository()
    found, number = split_target(repository, session, number)

    def is_running() -> bool:
        return read_session(repository, found).result.status is SessionStatus.RUNNING

    def show(entry: Entry) -> None:
        if number is None:
            _print_event(entry)
        elif entry.event == "step" and entry.data["candidate"] == number:
            _show_step(repository, found, number, Oid(entry.data["commit"]))

    try:
        follow(repository, found, show, is_running=is_running)
    except KeyboardInterrupt:
        render.say(f"session {found} goes on; to end it: git mimo stop {found}")
        return 130
    state = read_session(repository, found)
    code = finish(state.result, as_json=as_json)
    if state.result.status is SessionStatus.STOPPED and not as_json:
        render.hint(f"git mimo resume {found}")
    return code


_EVENTS = {
    "session": "session",
    "decided": "verdict",
    "landed": "result branch",
    "merged": "merge",
    "resumed": "resumed",
}


def _print_event(entry: Entry) -> None:
    """One event of a session's journal that matters to a person, as a line."""
    data = entry.data
    match entry.event:
        case "step":
            what = f"candidate {data['candidate']}: step {data['step']}"
        case "candidate" | "worked":
            result = data["result"]
            state = "judged" if entry.event == "candidate" else "ended"
            what = f"candidate {result['number']}: {state}, {result['status']}"
        case "base":
            what = f"base tests: {data['text']}"
        case event if event in _EVENTS:
            what = _EVENTS[event] + (" done" if entry.done else " begins")
        case _:
            return
    render.say(f"{entry.time:%H:%M:%S} {what}")


def _show_step(repository: Repository, session: SessionId, number: int, commit: Oid) -> None:
    from gitmimo.cli.review import step_text
    from gitmimo.workflow.history import read_steps_at
    from gitmimo.workflow.journals import read_session

    base = read_session(repository, session).result.base
    for step in read_steps_at(repository, session, number, base=base, tip=commit)[-1:]:
        render.out_raw(step_text(step))
        render.flush()


@click.command("show")
@session_argument
@json_option
def show_command(session: str | None, as_json: bool) -> int:
    """Show one session: task, candidates, evidence, verdict."""
    from gitmimo.cli.review import summary_text
    from gitmimo.workflow.session_result import result_json

    _, result = open_session(session)
    if as_json:
        return render.emit_json("show/1", result_json(result))
    render.out_raw(summary_text(result))
    for candidate in result.candidates:
        _print_candidate(candidate)
    return 0


@click.command("stop")
@target_arguments
def stop_command(session: str | None, number: int | None) -> int:
    """Stop a running session, or all that run, or candidate NUMBER of one. What candidates made is kept and judged."""
    from gitmimo.workflow.journals import list_session_ids, request_stop

    repository = open_repository()
    if session or number:
        found, number = split_target(repository, session, number)
        stopped = request_stop(repository, found, number)
    else:
        stopped = request_stop(repository, None) if list_session_ids(repository) else ()
    if not stopped:
        render.say("no session is running")
        return 1
    for name in stopped:
        who = f"candidate {number} of session {name}" if number else f"session {name}"
        render.say(f"asked {who} to stop; what it made is kept")
    return 0


@click.command("hint")
@click.argument("text")
@target_arguments
def hint_command(text: str, session: str | None, number: int | None) -> int:
    """Tell the candidates of a running session TEXT, or candidate NUMBER of it.

    Candidates with git-mimo's own agent and tools read it after their next step; other agents and the strategies for
    small models do not.
    """
    from gitmimo.workflow.journals import give_hint

    repository = open_repository()
    found, number = split_target(repository, session, number)
    if not give_hint(repository, found, text, number):
        render.say(f"session {found} does not run")
        return 1
    render.say(f"told {f'candidate {number}' if number else 'the candidates'} of session {found}")
    return 0


def _print_candidate(candidate: CandidateResult) -> None:
    """What the table has no room for."""
    from gitmimo.cli.review import text_width
    from gitmimo.report.summary import tests_text, wrapped

    render.out(f"\ncandidate {candidate.number} ({candidate.worker}): {candidate.status}")
    evidence = candidate.evidence
    commit = f" ({candidate.commit[:12]})" if candidate.commit else ""
    branch = f"{candidate.branch}{commit}" if candidate.branch else ""
    about = [("approach", candidate.approach), ("summary", candidate.summary), ("branch", branch)]
    if evidence is not None:
        fixed = f" passed, {len(evidence.fixed_ids)} fixed" if evidence.tests_run else ""
        about.append(("tests", f"{tests_text(evidence)}{fixed}"))
        about.append(("gates", ", ".join(f"{gate.name}: {gate.outcome.value}" for gate in evidence.gates)))
    for name, text in about:
        for line in wrapped(text.strip(), text_width(), f"    {name + ':':10}")[:6] if text.strip() else ():
            render.out(line)
