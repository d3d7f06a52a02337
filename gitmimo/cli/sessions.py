"""`git mimo list|status`: the state of sessions, read from their journals alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.completion import complete_candidates
from gitmimo.cli.options import json_option, open_repository, session_argument, split_target
from gitmimo.format import counted, seconds, tokens, usd
from gitmimo.records import Oid, SessionId
from gitmimo.results import SessionStatus
from gitmimo.text import one_line

if TYPE_CHECKING:
    from gitmimo.git.discovery import RepositoryPaths
    from gitmimo.git.repository import Repository
    from gitmimo.journal import Entry
    from gitmimo.results import CandidateResult, SessionResult
    from gitmimo.workflow.history import SessionState

_SHOWN = 5


@click.command("list")
@click.option("-n", "--max-count", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
def list_command(max_count: int | None, as_json: bool) -> int:
    """List the sessions of this repository, newest first."""
    from gitmimo.workflow.history import read_all

    return _print_states(list(read_all(_find_paths(), limit=max_count)), schema="git-mimo/list/1" if as_json else "")


@click.command("status")
@session_argument
@json_option
def status_command(session: str | None, as_json: bool) -> int:
    """Show the state of sessions: running ones first, then the newest."""
    from gitmimo.workflow.history import find_session, read_recent, read_session

    paths = _find_paths()
    states = [read_session(paths, find_session(paths, session))] if session else read_recent(paths, at_least=_SHOWN)
    _print_states(states, schema="git-mimo/status/1" if as_json else "")
    for state in () if as_json else states:
        if state.result.status is SessionStatus.STOPPED:
            render.hint(f"session {state.result.session} was cut off after `{state.phase}`; what it made is kept")
            render.hint(f"git mimo resume {state.result.session}")
    return 0


def _find_paths() -> RepositoryPaths:
    from gitmimo.git.discovery import find_repository

    paths = find_repository(Path.cwd())
    paths.require_work_tree()
    return paths


def _print_states(states: list[SessionState], *, schema: str) -> int:
    """Print the sessions as JSON where a schema is given, else as a table."""
    from gitmimo.workflow.history import brief_json

    if schema:
        render.emit_json({"schema": schema, "sessions": [brief_json(state) for state in states]})
        return 0
    if not states:
        render.say("this clone has no session yet")
        render.hint('git mimo start "..."')
        render.hint("git mimo review origin/BRANCH   # a result that another clone pushed")
        return 0
    rows = []
    for state in states:
        result = state.result
        winner = str(result.verdict.winner) if result.verdict and result.verdict.winner is not None else "-"
        rows.append(
            (
                result.session,
                result.status.value + (" (merged)" if result.merged else " (rejected)" if state.rejected else ""),
                f"{result.started:%Y-%m-%d %H:%M}" if result.started else "-",
                str(len(result.candidates)),
                winner,
                usd(result.cost_usd),
                seconds(result.seconds) if result.seconds else "-",
                one_line((result.task or result.message).strip().partition("\n")[0], 60),
            )
        )
    render.out(render.table(("session", "status", "started", "n", "winner", "cost", "time", "task"), rows))
    return 0


@click.command("attach")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=1), shell_complete=complete_candidates)
@json_option
def attach_command(session: str | None, number: int | None, as_json: bool) -> int:
    """Show what a session does until it ends, then its result. Interrupting this leaves the session running.

    With NUMBER every step of that candidate is shown as it is made: what the model said, ran, saw and edited.
    """
    from gitmimo.cli.start import finish
    from gitmimo.workflow.history import follow, read_session

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
    from gitmimo.workflow.history import read_session, read_steps_at

    base = read_session(repository, session).result.base
    for step in read_steps_at(repository, session, number, base=base, tip=commit)[-1:]:
        render.out_raw(step_text(step))
        render.flush()


@click.command("show")
@session_argument
@json_option
def show_command(session: str | None, as_json: bool) -> int:
    """Show one session: task, candidates, evidence, verdict."""
    from gitmimo.workflow.history import find_session, read_session
    from gitmimo.workflow.session_result import result_json

    repository = open_repository()
    state = read_session(repository, find_session(repository, session))
    if as_json:
        render.emit_json(result_json(state.result) | {"schema": "git-mimo/show/1"})
        return 0
    _print_session(state)
    return 0


@click.command("stop")
@session_argument
@click.argument("number", required=False, type=click.IntRange(min=1), shell_complete=complete_candidates)
@json_option
def stop_command(session: str | None, number: int | None, as_json: bool) -> int:
    """Stop a running session, or all that run, or candidate NUMBER of one. What candidates made is kept and judged."""
    from gitmimo.workflow.history import list_session_ids, request_stop

    repository = open_repository()
    if session or number:
        found, number = split_target(repository, session, number)
        stopped = request_stop(repository, found, number)
    else:
        stopped = request_stop(repository, None) if list_session_ids(repository) else ()
    if as_json:
        render.emit_json({"schema": "git-mimo/stop/1", "stopped": list(stopped)})
        return int(not stopped)
    if not stopped:
        render.say("no session is running")
        return 1
    for name in stopped:
        who = f"candidate {number} of session {name}" if number else f"session {name}"
        render.say(f"asked {who} to stop; what it made is kept")
    return 0


def _print_session(state: SessionState) -> None:
    from gitmimo.report.review_view import remarks_of
    from gitmimo.report.summary import difference_lines, wrapped

    result = state.result
    width = min(shutil.get_terminal_size((100, 0)).columns, 100) if sys.stdout.isatty() else 100
    style = {"passed": "green", "running": "cyan", "failed": "red", "error": "red"}.get(result.status.value, "yellow")
    render.out_raw(f"session {render.paint(result.session, 'bold')}: {render.paint(result.status.value, style)}\n")
    lines = [*wrapped(f"task:   {one_line(result.task, 200)}", width)]
    lines.append(f"base:   {result.base[:12]}" + (f" on {result.target_branch}" if result.target_branch else ""))
    if result.result_branch:
        merged = f", merged into {result.target_branch}" if result.merged else ""
        lines.append(f"result: {result.result_branch} ({(result.result_commit or '')[:12]}){merged}")
    spent = f"{usd(result.cost_usd)}, {tokens(result.usage.total)} tokens, {counted(result.llm_calls, 'model call')}"
    lines += [f"spent:  {spent}, {seconds(result.seconds)}", *difference_lines(result, width)]
    lines += [line for remark in remarks_of(result) for line in wrapped(f"look at: {remark.text}", width)]
    for line in lines:
        render.out(line)
    for candidate in result.candidates:
        _print_candidate(candidate, result, width)
    if result.verdict:
        render.out("")
        for line in wrapped(f"verdict: {result.verdict.reason}", width):
            render.out(line)
        ranked = [entry for entry in result.verdict.ranking if entry.reason and entry.passed]
        for entry in ranked if len(ranked) > 1 else ():
            render.out(f"  {entry.rank}. candidate {entry.number}: {entry.reason}")
        if result.verdict.critic and result.verdict.critic.failed:
            render.out(f"  {result.verdict.critic.who}: no opinion ({result.verdict.critic.failed})")
    elif result.message:
        render.out(result.message)


def _print_candidate(candidate: CandidateResult, result: SessionResult, width: int) -> None:
    from gitmimo.evidence import Outcome
    from gitmimo.report.review_view import output_of, tests_text
    from gitmimo.report.summary import wrapped

    mark = "*" if candidate is result.winner else " "
    render.out("")
    render.out(
        f"{mark} candidate {candidate.number} ({candidate.worker}): {candidate.status}, "
        f"{counted(candidate.steps, 'step')}, {tokens(candidate.usage.total)} tokens, {usd(candidate.cost_usd)}, "
        f"{seconds(candidate.seconds)}"
    )
    branch = f"{candidate.branch} ({(candidate.commit or '')[:12]})" if candidate.branch else ""
    for name, text in (("approach", candidate.approach), ("summary", candidate.summary), ("branch", branch)):
        for number, line in enumerate(wrapped(text.strip(), width - 14)[:6] if text.strip() else ()):
            render.out(f"    {'' if number else name + ':':9} {line}")
    evidence = candidate.evidence
    if evidence is None:
        return
    fixed = f" passed, {len(evidence.fixed_ids)} fixed" if evidence.tests_run else ""
    render.out(f"    tests:    {tests_text(evidence)}{fixed}")
    passed = ", ".join(gate.name for gate in evidence.gates if gate.outcome is Outcome.PASS)
    render.out(f"    gates:    {f'passed {passed}' if passed else 'none passed'}")
    for gate in evidence.failed_gates:
        render.out_raw(f"    {render.paint(gate.outcome.value.ljust(9), 'red')} {render.paint(gate.name, 'bold')}")
        render.out(f": {one_line(gate.detail, 300)}" if gate.detail else "")
    for line in output_of(evidence, most_lines=20).splitlines() if evidence.failed_gates else ():
        render.out(f"      {line}")
