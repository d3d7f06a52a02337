"""The status of a candidate or a session, decided from results alone."""

from collections.abc import Mapping
from dataclasses import replace

from gitmimo.evidence import Evidence, Verdict
from gitmimo.records import SessionId, StopReason, Usage
from gitmimo.results import CandidateResult, SessionResult, SessionStatus

_CUT_OFF = frozenset({StopReason.BUDGET, StopReason.TIMEOUT, StopReason.INTERRUPTED, StopReason.ERROR})


def is_over(result: CandidateResult, *, max_steps: int) -> bool:
    """Whether a candidate came to its own end, so that there is nothing to go on with."""
    if result.status == StopReason.STEPS:
        return result.steps >= max_steps or result.strategy in ("patch", "external")
    return result.status not in _CUT_OFF


def status_after(results: Mapping[int, CandidateResult], reason: StopReason | None) -> SessionStatus:
    """The status of a session without a winner, from its candidates and why it was asked to stop."""
    if reason is StopReason.INTERRUPTED:
        return SessionStatus.INTERRUPTED
    if reason is StopReason.TIMEOUT or any(result.status == StopReason.BUDGET for result in results.values()):
        return SessionStatus.BUDGET
    if reason is StopReason.ERROR or (results and all(r.status == StopReason.ERROR for r in results.values())):
        return SessionStatus.ERROR
    return SessionStatus.FAILED


def with_winner(result: SessionResult, verdict: Verdict) -> SessionResult:
    """A session in which a product passed: done, or left to a person where the evidence does not settle it."""
    status = SessionStatus.PASSED if verdict.settled else SessionStatus.UNSETTLED
    message = verdict.reason if verdict.settled else f"needs a person: {'; '.join(verdict.doubts[:3])}"
    if verdict.critic is not None and verdict.critic.failed:
        message += f"; {verdict.critic.who} gave no opinion: {verdict.critic.failed}"
    return replace(result, status=status, message=message)


def without_winner(result: SessionResult, verdict: Verdict, reason: StopReason | None) -> SessionResult:
    """A session without a winner: why, and how to go on where something is left to do."""
    status = status_after({candidate.number: candidate for candidate in result.candidates}, reason)
    errors = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.ERROR and c.summary)
    message = "; ".join(errors) if status is SessionStatus.ERROR else verdict.reason
    if status is SessionStatus.BUDGET:
        limits = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.BUDGET and c.summary)
        message = "; ".join(limits) or message
    if status in (SessionStatus.INTERRUPTED, SessionStatus.BUDGET):
        message = how_to_go_on(message or status.value, result.session)
    return replace(result, status=status, message=message)


def how_to_go_on(reason: str, session: SessionId) -> str:
    """A reason why a session ended early, with what resumes it."""
    return f"{reason}; work is saved, resume with: git mimo resume {session}"


def close(opening: SessionResult, results: Mapping[int, CandidateResult], *, seconds: float) -> SessionResult:
    """The session with what its candidates made and used."""
    listed = tuple(results[number] for number in sorted(results))
    return replace(
        opening,
        candidates=listed,
        usage=sum((result.usage for result in listed), Usage()),
        cost_usd=sum(result.cost_usd for result in listed),
        llm_calls=sum(result.llm_calls for result in listed),
        seconds=seconds,
    )


def describe_tests(evidence: Evidence | None) -> str:
    """What the gates said, in a few words."""
    if evidence is None:
        return "no product"
    tests = f"{evidence.tests_passed}/{evidence.tests_run}"
    if evidence.passed:
        return f"pass {tests}"
    return f"fail {tests}: " + ", ".join(gate.name for gate in evidence.failed_gates)
