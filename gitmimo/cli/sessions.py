"""`git mimo list|status|show|stop`: sessions and how they stand."""

import shutil
import sys
import time
from typing import Any

import click

from gitmimo.cli import render
from gitmimo.cli.common import (
    json_option,
    open_repository,
    seconds,
    session_argument,
    short,
    tokens,
    usd,
)
from gitmimo.evaluator.suspicion import REVIEW
from gitmimo.git.repository import Repository
from gitmimo.records import CandidateResult, Outcome, SessionResult, SessionStatus, to_json
from gitmimo.workflow.history import SessionState, find_session, read_all, read_session, request_stop
from gitmimo.workflow.land import result_json

_STYLES = {
    SessionStatus.PASSED: "green",
    SessionStatus.RUNNING: "cyan",
    SessionStatus.FAILED: "red",
    SessionStatus.ERROR: "red",
}


@click.command("list")
@click.option("-n", "--max-count", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
def list_command(max_count: int | None, as_json: bool) -> int:
    """List the sessions of this repository, newest first."""
    states = list(read_all(open_repository(), limit=max_count))
    if as_json:
        render.emit_json({"schema": "git-mimo/list/1", "sessions": [_brief(state) for state in states]})
        return 0
    if not states:
        render.say("no session yet")
        return 0
    _print_states(states)
    return 0


@click.command("status")
@session_argument
@click.option("-w", "--watch", is_flag=True, help="Say it again every second while a session runs.")
@json_option
def status_command(session: str | None, watch: bool, as_json: bool) -> int:
    """Say how sessions stand: those that run, then the newest."""
    repository = open_repository()
    while watch and _is_any_running(repository, session):
        if sys.stdout.isatty():
            click.clear()
        _tell_status(repository, session, as_json=as_json)
        sys.stdout.flush()
        time.sleep(1.0)
    return _tell_status(repository, session, as_json=as_json)


def _is_any_running(repository: Repository, session: str | None) -> bool:
    if session:
        return read_session(repository, find_session(repository, session)).result.status is SessionStatus.RUNNING
    return any(state.result.status is SessionStatus.RUNNING for state in read_all(repository))


def _tell_status(repository: Repository, session: str | None, *, as_json: bool) -> int:
    if session:
        states = [read_session(repository, find_session(repository, session))]
    else:
        everything = list(read_all(repository, limit=None))
        states = [state for state in everything if state.result.status is SessionStatus.RUNNING]
        states += [state for state in everything if state not in states][: max(0, 5 - len(states))]
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


@click.command("show")
@session_argument
@json_option
def show_command(session: str | None, as_json: bool) -> int:
    """Show one session: task, candidates, evidence, verdict."""
    repository = open_repository()
    state = read_session(repository, find_session(repository, session))
    if as_json:
        render.emit_json(result_json(state.result) | {"schema": "git-mimo/show/1"})
        return 0
    _print_session(state)
    return 0


@click.command("stop")
@session_argument
def stop_command(session: str | None) -> int:
    """Stop a running session. What its candidates made is kept on their branches."""
    repository = open_repository()
    stopped = request_stop(repository, session)
    if not stopped:
        render.say("no session is running")
        return 1
    for name in stopped:
        render.say(f"asked session {name} to stop; what it made is kept")
    return 0


def say_flag(flag: str) -> str:
    """What to look at, in words: some flags forbid merging without a person."""
    return f"needs a person: {flag.removeprefix(REVIEW)}" if flag.startswith(REVIEW) else flag


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


def _print_session(state: SessionState) -> None:
    result = state.result
    render.out_raw(
        f"session {render.paint(result.session, 'bold')}: "
        f"{render.paint(result.status.value, _STYLES.get(result.status, 'yellow'))}\n"
    )
    render.out(f"task:   {short(result.task, 200)}")
    render.out(f"base:   {result.base[:12]}" + (f" on {result.target_branch}" if result.target_branch else ""))
    if result.result_branch:
        merged = f", merged into {result.target_branch}" if result.merged else ""
        render.out(f"result: {result.result_branch} ({(result.result_commit or '')[:12]}){merged}")
    spent = f"{usd(result.cost_usd)}, {tokens(result.usage.total)} tokens, {result.llm_calls} model calls"
    render.out(f"spent:  {spent}, {seconds(result.seconds)}")
    for candidate in result.candidates:
        _print_candidate(candidate, result)
    if result.verdict:
        render.out("")
        render.out(f"verdict: {result.verdict.reason}")
        for ranked in result.verdict.ranking:
            render.out(f"  {ranked.rank}. candidate {ranked.number}: {ranked.reason}")
        if result.verdict.critic and result.verdict.critic.failed:
            render.out(f"  critic: no opinion ({result.verdict.critic.failed})")
    elif result.message:
        render.out(result.message)


def _print_candidate(candidate: CandidateResult, result: SessionResult) -> None:
    mark = "*" if result.verdict and result.verdict.winner == candidate.number else " "
    render.out("")
    render.out(
        f"{mark} candidate {candidate.number} ({candidate.worker}): {candidate.status}, "
        f"{candidate.steps} steps, {tokens(candidate.usage.total)} tokens, {seconds(candidate.seconds)}"
    )
    if candidate.approach:
        render.out(f"    approach: {short(candidate.approach, 100)}")
    if candidate.summary:
        render.out(f"    summary:  {short(candidate.summary, 100)}")
    if candidate.branch:
        render.out(f"    branch:   {candidate.branch} ({(candidate.commit or '')[:12]})")
    evidence = candidate.evidence
    if evidence is None:
        return
    render.out(f"    tests:    {evidence.tests_passed}/{evidence.tests_run} passed, {len(evidence.fixed_ids)} fixed")
    passed = [gate.name for gate in evidence.gates if gate.outcome is Outcome.PASS]
    skipped = [gate.name for gate in evidence.gates if gate.outcome is Outcome.SKIPPED]
    said = [f"passed {', '.join(passed)}"] * bool(passed) + [f"skipped {', '.join(skipped)}"] * bool(skipped)
    render.out(f"    gates:    {'; '.join(said)}" if said else "    gates:    none passed")
    for gate in evidence.failed_gates:
        render.out_raw(f"    {render.paint(gate.outcome.value.ljust(9), 'red')} {render.paint(gate.name, 'bold')}")
        render.out(f": {short(gate.detail, 300)}" if gate.detail else "")
    for flag in evidence.flags:
        render.out(f"    look at:  {say_flag(flag)}")


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
