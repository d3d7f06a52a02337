"""A session as the values that the review page's template shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitmimo.evaluator.review_flags import REVIEW, needs_review
from gitmimo.evidence import Evidence, Outcome, TestOutcome
from gitmimo.ids import SessionStatus
from gitmimo.records import SessionResult
from gitmimo.report.review_data import ReviewData
from gitmimo.report.step_text import StepTexts
from gitmimo.text import counted, seconds, tokens, usd

STATUS_CLASS = {
    "passed": "good",
    "unsettled": "warn",
    "failed": "bad",
    "error": "bad",
    "budget": "warn",
    "interrupted": "warn",
}
_MOST_TESTS = 200  # rows of one candidate and kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something for a reviewer to check first; the text may have code between backticks."""

    text: str
    needs_person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A gate that a candidate failed, with the end of what its command said."""

    number: int
    gate: str
    detail: str
    output: str


def used_text(result: SessionResult) -> str:
    """What a session used: money, tokens, calls, time."""
    calls = counted(result.llm_calls, "model call")
    return f"{usd(result.cost_usd)}, {tokens(result.usage.total)} tokens in {calls}, {seconds(result.seconds)}"


def next_command(result: SessionResult) -> tuple[str, str]:
    """The command that comes next, with a remark on it; empty where none does."""
    if result.merged:
        return "", ""
    if result.result_branch:
        doubtful = result.status is not SessionStatus.PASSED
        return f"git mimo merge {result.session}", "needs a person: read the doubts first" if doubtful else ""
    if result.status is SessionStatus.RUNNING:
        return f"git mimo watch {result.session}", "shows what it does until it ends"
    if result.status in (SessionStatus.STOPPED, SessionStatus.INTERRUPTED, SessionStatus.BUDGET):
        return f"git mimo resume {result.session}", "goes on where it ended"
    return "", ""


def remarks_of(result: SessionResult) -> tuple[Remark, ...]:
    """Points for a reviewer to check first; about the winner if there is one."""
    chosen = result.winner
    found = [Remark(text=text, needs_person=True) for text in (result.verdict.doubts if result.verdict else ())]
    for candidate in [chosen] if chosen else list(result.candidates):
        if candidate.evidence is not None:
            who = "" if chosen else f"Candidate {candidate.number}: "
            found += _remarks_on(candidate.evidence, who)
    critic = result.verdict.critic if result.verdict else None
    if critic is not None:
        found += [Remark(text=f"There is no critic's opinion: {critic.failed}")] if critic.failed else []
        found += [Remark(text=f"The critic rejected candidate {number}.") for number in critic.rejected]
    return tuple(found)


def _remarks_on(evidence: Evidence, who: str) -> Iterator[Remark]:
    doubts = needs_review(evidence.flags)
    for flag in evidence.flags:
        yield Remark(text=who + flag.removeprefix(REVIEW), needs_person=flag in doubts)
    for path in evidence.changed_tests:
        yield Remark(text=f"{who}changes the existing test file `{path}`, in a commit of its own")
    for path in evidence.restored_paths:
        yield Remark(text=f"{who}its change to the protected file `{path}` is left out: base's version was tested")
    for name in evidence.flaky_ids[:10]:
        yield Remark(text=f"{who}test `{name}` is flaky on base and was set aside")


def failures_of(result: SessionResult) -> tuple[Failure, ...]:
    """Every failed gate; none for a session with a winner."""
    if result.winner is not None:
        return ()
    return tuple(
        Failure(
            number=candidate.number,
            gate=gate.name,
            detail=gate.detail,
            output=output_of(candidate.evidence) if index == 0 else "",
        )
        for candidate in result.candidates
        if candidate.evidence
        for index, gate in enumerate(candidate.evidence.failed_gates)
    )


def output_of(evidence: Evidence | None, *, most_lines: int = 40) -> str:
    """The end of what the failing command said."""
    return "\n".join((evidence.output if evidence else "").rstrip().splitlines()[-most_lines:])


def tests_text(evidence: Evidence | None) -> str:
    """How many tests pass, or that the suite gave no results by test."""
    if evidence is None:
        return "-"
    if evidence.tests_run:
        return f"{evidence.tests_passed}/{evidence.tests_run}"
    was_run = any(gate.name == "suite" and gate.outcome is not Outcome.SKIPPED for gate in evidence.gates)
    return "exit code only" if was_run else "not run"


def candidates_of(data: ReviewData) -> list[Mapping[str, object]]:
    """Every candidate with its gates and steps, for the table and for its own section."""
    texts = StepTexts()
    return [
        {
            "number": candidate.number,
            "result": candidate,
            "evidence": evidence,
            "gates": {gate.name: gate for gate in evidence.gates} if evidence else {},
            "tests": tests_text(evidence),
            "broken": len(evidence.broken_ids + evidence.missing_ids) if evidence else 0,
            "damaged": data.damaged.get(candidate.number, ""),
            "steps": [texts.view(step) for step in data.steps.get(candidate.number, ())],
        }
        for candidate in data.result.candidates
        for evidence in [candidate.evidence]
    ]


def test_rows(result: SessionResult) -> Iterator[Mapping[str, object]]:
    """Tests whose result differs between base and product, by candidate."""
    passed, failed = TestOutcome.PASSED.value, TestOutcome.FAILED.value
    for candidate in result.candidates:
        evidence = candidate.evidence
        if evidence is None:
            continue
        for names, before, after, style in (
            (evidence.broken_ids, passed, failed, "bad"),
            (evidence.missing_ids, passed, "not run", "bad"),
            (evidence.fixed_ids, failed, passed, "good"),
            (evidence.flaky_ids, "differs from run to run", "set aside", "quiet"),
        ):
            left_out = len(names) - _MOST_TESTS
            more = [counted(left_out, "more test")] if left_out > 0 else []
            for name in [*names[:_MOST_TESTS], *more]:
                yield {"number": candidate.number, "name": name, "before": before, "after": after, "style": style}
