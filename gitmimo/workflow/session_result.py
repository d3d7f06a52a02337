"""A session's result: opened, brought up to date, closed with its status, and in its published form."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitmimo import ids
from gitmimo.codec import to_json
from gitmimo.config import OPTIONS, Config, Setting
from gitmimo.evidence import Evidence, Verdict
from gitmimo.git import refs
from gitmimo.ids import SessionId, SessionStatus, utc_now
from gitmimo.processes import process_name
from gitmimo.records import CandidateResult, SessionResult, StopReason, Usage
from gitmimo.workflow.directories import session_directory
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.worktrees import clear_session

_PUBLISHED = (
    "session status task base result_branch result_commit winner merged skill candidates verdict "
    "cost_usd:usd seconds llm_calls message"
)
_PUBLISHED_OF_CANDIDATE = (
    "number:n agent branch commit model approach status steps usage:tokens cost_usd:usd seconds tree summary evidence"
)
# what a person may have changed so that the session can go on; kept only when given as a flag
_READ_ANEW = ("budget", "maxtokens", "rate.", "baseurl", "llm", "timeout", "sandbox")
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


def with_winner(result: SessionResult, verdict: Verdict, *, left: int = 0) -> SessionResult:
    """A session in which a product passed: done, or left to a person where the evidence does not settle it.

    `left` candidates did not work.
    """
    status = SessionStatus.PASSED if verdict.settled else SessionStatus.UNSETTLED
    message = verdict.reason if verdict.settled else f"needs a person: {'; '.join(verdict.doubts[:3])}"
    if not verdict.settled and left > 0:
        message += f"; {left} more candidates were not tried (--effort high tries all)"
    if verdict.critic is not None and verdict.critic.failed:
        message += f"; {verdict.critic.who} gave no opinion: {verdict.critic.failed}"
    return replace(result, status=status, message=message)


def without_winner(
    result: SessionResult, verdict: Verdict, reason: StopReason | None, *, spared: bool = False
) -> SessionResult:
    """A session without a winner: why, and how to go on where something is left to do.

    Where candidates were `spared`, the last ones had brought nothing.
    """
    status = status_after({candidate.number: candidate for candidate in result.candidates}, reason)
    errors = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.ERROR and c.summary)
    message = "; ".join(errors) if status is SessionStatus.ERROR else verdict.reason
    if status is SessionStatus.BUDGET:
        limits = dict.fromkeys(c.summary for c in result.candidates if c.status == StopReason.BUDGET and c.summary)
        message = "; ".join(limits) or message
    if status is SessionStatus.FAILED and spared:
        message += "; the last candidates brought nothing new, so no other was tried (--effort high tries all)"
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


def progress_at_end(result: CandidateResult) -> Progress:
    """What is shown of a candidate that has ended and was judged."""
    tests, used = describe_tests(result.evidence), result.usage.total
    return Progress(
        number=result.number, phase="done", text=result.status, tests=tests, tokens=used, cost_usd=result.cost_usd
    )


def describe_tests(evidence: Evidence | None) -> str:
    """What the gates said, in a few words."""
    if evidence is None:
        return "no product"
    tests = f" {evidence.tests_passed}/{evidence.tests_run}" if evidence.tests_run else ""
    if evidence.passed:
        return f"pass{tests or ', exit code only'}"
    return f"fail{tests}: " + ", ".join(gate.name for gate in evidence.failed_gates)


def open_session(context: SessionContext, plan: Plan) -> SessionResult:
    """Write the first line of the journal, or the one that says it is resumed, and keep the base."""
    repository, session, journal = context.repository, context.session, context.journal
    opening = SessionResult(
        session=session,
        status=SessionStatus.RUNNING,
        task=plan.task.text,
        base=plan.base,
        target_branch=plan.target_branch,
        started=utc_now(),
    )
    process = {"process": os.getpid(), "process_start": process_name(os.getpid())}
    if plan.past is None:
        told = to_json(opening)
        facts = {name: told[name] for name in ("task", "base", "target_branch", "started")}
        journal.intend("session", **facts, **process, settings=settings_to_keep(plan.config))
    else:
        journal.intend("resumed", **process)
        clear_session(repository, session, session_directory(repository, session))
    kept = ids.base_ref(session)
    if refs.read_ref(repository, kept) is None:
        refs.update_ref(repository, kept, plan.base, expected=None, reason="mimo: session base")
    return opening


def results_before(plan: Plan) -> dict[int, CandidateResult]:
    """The candidates that had ended, judged or not, when the session was cut off."""
    past = plan.past.results if plan.past else {}
    return {
        number: result for number, result in past.items() if is_over(result, max_steps=plan.config.count("maxSteps"))
    }


def result_json(result: SessionResult) -> dict[str, object]:
    """The published form of a session, as `--json` prints it."""
    value = to_json(result)
    value["candidates"] = [_published(candidate, _PUBLISHED_OF_CANDIDATE) for candidate in value["candidates"]]
    value["winner"] = result.verdict.winner if result.verdict else None
    return _published(value, _PUBLISHED)


def _published(value: Mapping[str, Any], names: str) -> dict[str, Any]:
    """These values; `name:published` is published under another name."""
    pairs = (name.partition(":") for name in names.split())
    return {published or name: value[name] for name, _, published in pairs}


def settings_to_keep(config: Config) -> dict[str, Any]:
    """The values that a resumed session must have again."""
    return {
        name: setting.value
        for name, setting in config.settings.items()
        if setting.origin == "flag" or not name.startswith(_READ_ANEW)
    }


def restore(current: Config, kept: Mapping[str, Any]) -> Config:
    """The configuration of now with a session's own values; flags given now win."""
    settings = dict(current.settings)
    for name, value in kept.items():
        option = OPTIONS.get(name)
        if option is None or settings[name].origin == "flag":
            continue
        settings[name] = Setting(
            option=option, value=tuple(value) if isinstance(value, list) else value, origin="session"
        )
    return Config(settings, current.prices, current.windows)
