"""A session and its steps as text: for the terminal, the page, pull requests, and tools that ask over MCP."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitmimo.behaviour import Difference, DifferenceKind
from gitmimo.evaluator.review_flags import REVIEW, needs_review
from gitmimo.evidence import Evidence, Gate, Outcome
from gitmimo.records import ActionKind, CandidateResult, SessionResult, Step
from gitmimo.text import counted, one_line, seconds, tokens, usd

CANDIDATE_HEADINGS = ("  #", "worker", "steps", "tokens", "cost", "time", "tests", "diff", "verdict")
MOST_DIFFERENCES = 5
_MOST_OUTPUT = 20  # lines of a failed command


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """At most five lines, the most telling first, and a sentence that counts the rest and what was tried."""

    lines: tuple[Difference, ...]
    count: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something for a reviewer to check first; the text may have code between backticks."""

    text: str
    needs_person: bool = False


def used_text(result: SessionResult) -> str:
    """What a session used: money, tokens, calls, time."""
    calls = counted(result.llm_calls, "model call")
    return f"{usd(result.cost_usd)}, {tokens(result.usage.total)} tokens in {calls}, {seconds(result.seconds)}"


def tests_text(evidence: Evidence | None) -> str:
    """How many tests pass, or that the suite gave no results by test."""
    if evidence is None:
        return "-"
    if evidence.tests_run:
        return f"{evidence.tests_passed}/{evidence.tests_run}"
    was_run = any(gate.name == "suite" and gate.outcome is not Outcome.SKIPPED for gate in evidence.gates)
    return "exit code only" if was_run else "not run"


def differences_of(result: SessionResult) -> Differences | None:
    """What the session's winner does differently from the base; None when nothing was compared."""
    report = result.verdict.behaviour if result.verdict else None
    winner = result.winner
    if report is None or winner is None or winner.evidence is None:
        return None
    product = report.of(winner.evidence.tested_tree)
    if product is None or report.problem or product.problem:
        why = report.problem or (product.problem if product else "") or "the result was not run"
        return Differences(lines=(), count=f"Not compared: {why}.")
    lines = product.differences[:MOST_DIFFERENCES]
    tried = f"{counted(report.inputs, 'input')} tried on {counted(len(report.functions), 'changed function')}"
    if not product.changed:
        count = f"Nothing: {tried}, and all answers are as before."
    else:
        more = product.changed - len(lines)
        count = f"{f'And {more:,} more, of ' if more > 0 else 'Of '}{tried}."
    if report.unreached:
        names = ", ".join(f"`{name.rpartition('::')[2]}`" for name in report.unreached[:3])
        count += f" No input was found for {names}{' and others' if len(report.unreached) > 3 else ''}."
    return Differences(lines=lines, count=count)


def remarks_of(result: SessionResult) -> tuple[Remark, ...]:
    """Points for a reviewer to check first; about the winner if there is one."""
    chosen = result.winner
    found = [Remark(text=text, needs_person=True) for text in (result.verdict.doubts if result.verdict else ())]
    for candidate in [chosen] if chosen else list(result.candidates):
        if candidate.evidence is not None:
            found += _remarks_on(candidate.evidence, "" if chosen else f"Candidate {candidate.number}: ")
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


def failures_of(result: SessionResult) -> Iterator[tuple[int, Gate, str]]:
    """Every failed gate by its candidate, the first with the end of what its command said; none where one won."""
    for candidate in result.candidates if result.winner is None else ():
        evidence = candidate.evidence
        output = "\n".join(evidence.output.rstrip().splitlines()[-_MOST_OUTPUT:]) if evidence else ""
        for gate in evidence.failed_gates if evidence else ():
            yield candidate.number, gate, output
            output = ""


def summary_lines(result: SessionResult, width: int, candidates: Iterable[str]) -> Iterator[str]:
    """The summary before the diff, the most important first; `candidates` are the lines of their table."""
    yield f"Session {result.session}: {result.status.value}"
    yield ""
    yield from wrapped(result.task.strip()[:2000], width, "  ")
    if result.verdict is None and result.message:
        yield ""
        yield from wrapped(result.message, width)
    yield from difference_lines(result, width)
    remarks = remarks_of(result)
    if remarks:
        yield ""
        yield "Look at first:"
        for remark in remarks:
            person = "needs a person: " if remark.needs_person else ""
            yield from wrapped(person + remark.text, width, "  - ")
    for number, gate, output in failures_of(result):
        yield ""
        yield from wrapped(f"Candidate {number} fails {gate.name}: {gate.detail}", width)
        yield from (f"    {line}" for line in output.splitlines())
    yield ""
    yield f"Base:   {result.base[:12]}" + (f" on {result.target_branch}" if result.target_branch else "")
    if result.result_branch:
        merged = f", merged into {result.target_branch}" if result.merged else ""
        yield f"Result: {result.result_branch} ({(result.result_commit or '')[:12]}){merged}"
    yield f"Used:   {used_text(result)}"
    yield ""
    yield from candidates
    yield from _verdict_lines(result, width)


def _verdict_lines(result: SessionResult, width: int) -> Iterator[str]:
    verdict = result.verdict
    if verdict is None:
        return
    yield ""
    yield from wrapped(f"Verdict: {verdict.reason}", width)
    ranked = [place for place in verdict.ranking if place.passed and place.reason]
    for place in ranked if len(ranked) > 1 else ():
        yield from wrapped(f"candidate {place.number}: {place.reason}", width, f"  {place.rank}. ")
    for where, comment in (verdict.critic.comments if verdict.critic else {}).items():
        number, _, path = where.partition(":")
        subject = f"`{path}` of candidate {number}" if path else f"candidate {number}"
        yield from wrapped(f"Critic on {subject}: {comment}", width)


def candidate_rows(result: SessionResult) -> list[tuple[str, ...]]:
    """One row a candidate, the winner marked; the columns are `CANDIDATE_HEADINGS`."""
    return [_row(candidate, result) for candidate in result.candidates]


def _row(candidate: CandidateResult, result: SessionResult) -> tuple[str, ...]:
    evidence = candidate.evidence
    if evidence is None:
        verdict = candidate.status + (f": {candidate.summary}" if candidate.summary else "")
    elif evidence.passed:
        verdict = "passed every gate"
    else:
        verdict = "; ".join(f"{gate.name}: {gate.detail or gate.outcome}" for gate in evidence.failed_gates)
    return (
        f"{'*' if candidate is result.winner else ' '} {candidate.number}",
        candidate.worker,
        str(candidate.steps),
        tokens(candidate.usage.total),
        usd(candidate.cost_usd),
        seconds(candidate.seconds),
        tests_text(evidence),
        f"+{evidence.diff.added} -{evidence.diff.removed}" if evidence else "-",
        one_line(verdict, 60),
    )


def difference_lines(result: SessionResult, width: int) -> Iterator[str]:
    """The behaviour differences after an empty line; nothing if nothing was compared."""
    found = differences_of(result)
    if found is None:
        return
    yield ""
    yield "What behaves differently:"
    for difference in found.lines:
        before, after = one_line(difference.before, 60), one_line(difference.after, 60)
        kind = "" if difference.kind is DifferenceKind.OTHER_ANSWER else f" ({difference.kind})"
        call = f"  {one_line(difference.call, min(90, width - 3))}:"
        text = f"{call} {before} -> {after}{kind}"
        yield from [text] if len(text) <= width else [call, *wrapped(f"{before} -> {after}{kind}", width, "      ")]
    yield from wrapped(found.count, width, "  ")


def kinds_of(step: Step) -> str:
    """Name a step's actions."""
    return ", ".join(action.kind.value.replace("_", " ") for action in step.actions) or "no action"


def target_of(step: Step) -> str:
    """What a step's first action with an effect is about, on one line."""
    quiet = (ActionKind.NOTE, ActionKind.PLAN)
    action = next((a for a in step.actions if a.kind not in quiet), step.actions[0] if step.actions else None)
    return " ".join((action.path or action.text).split())[:120] if action else ""


def used_by(step: Step) -> str:
    """The usage of a step: tokens, money, time."""
    taken = step.reply.seconds + sum(observation.seconds for observation in step.observations)
    cost = f", {usd(step.reply.cost_usd)}" if step.reply.cost_usd else ""
    return f"{tokens(step.reply.usage.total)} tokens{cost}, {seconds(taken)}"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Wrap a text at this width; its own line breaks are kept."""
    after = " " * len(indent)
    return [
        line
        for number, part in enumerate(text.splitlines() or [""])
        for line in textwrap.wrap(
            part, width, initial_indent=after if number else indent, subsequent_indent=after, break_on_hyphens=False
        )
        or [""]
    ]
