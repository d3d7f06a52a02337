"""`git mimo show|stop`: one session in full, and its end."""

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
from gitmimo.evidence import Outcome
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow.history import SessionState, find_session, list_session_ids, read_session, request_stop
from gitmimo.workflow.land import result_json

_STYLES = {
    SessionStatus.PASSED: "green",
    SessionStatus.RUNNING: "cyan",
    SessionStatus.FAILED: "red",
    SessionStatus.ERROR: "red",
}


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
@json_option
def stop_command(session: str | None, as_json: bool) -> int:
    """Stop a running session, or all that run. What candidates made is kept on their branches."""
    repository = open_repository()
    stopped = request_stop(repository, session) if session or list_session_ids(repository) else ()
    if as_json:
        render.emit_json({"schema": "git-mimo/stop/1", "stopped": list(stopped)})
        return int(not stopped)
    if not stopped:
        render.say("no session is running")
        return 1
    for name in stopped:
        render.say(f"asked session {name} to stop; what it made is kept")
    return 0


def say_flag(flag: str) -> str:
    """What to look at, in words: some flags forbid merging without a person."""
    return f"needs a person: {flag.removeprefix(REVIEW)}" if flag.startswith(REVIEW) else flag


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
