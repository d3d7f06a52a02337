"""A session as lines of text: for the terminal, and for tools that ask over MCP."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitmimo.behaviour import Difference, DifferenceKind
from gitmimo.records import CandidateResult, SessionResult
from gitmimo.report.review_view import failures_of, remarks_of, tests_text, used_text
from gitmimo.text import counted, one_line, seconds, tokens, usd

CANDIDATE_HEADINGS = ("  #", "worker", "steps", "tokens", "cost", "time", "tests", "diff", "verdict")
_MOST_OUTPUT = 20  # lines of a failed command
MOST_LINES = 5
ERRORS = (DifferenceKind.NOW_ERROR, DifferenceKind.OTHER_ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """At most five lines, the most telling first, and a sentence that counts the rest and what was tried."""

    lines: tuple[Difference, ...]
    count: str


def differences_of(result: SessionResult, *, most: int = MOST_LINES) -> Differences | None:
    """What the session's winner does differently from the base; None when nothing was compared."""
    report = result.verdict.behaviour if result.verdict else None
    winner = result.winner
    if report is None or winner is None or winner.evidence is None:
        return None
    product = report.of(winner.evidence.tested_tree)
    if product is None or report.problem or product.problem:
        why = report.problem or (product.problem if product else "") or "the result was not run"
        return Differences(lines=(), count=f"Not compared: {why}.")
    lines = product.differences[:most]
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
    yield from failure_lines(result, width)
    yield ""
    yield f"Base:   {result.base[:12]}" + (f" on {result.target_branch}" if result.target_branch else "")
    if result.result_branch:
        merged = f", merged into {result.target_branch}" if result.merged else ""
        yield f"Result: {result.result_branch} ({(result.result_commit or '')[:12]}){merged}"
    yield f"Used:   {used_text(result)}"
    yield ""
    yield from candidates
    if result.verdict:
        yield ""
        yield from wrapped(f"Verdict: {result.verdict.reason}", width)
        ranked = [place for place in result.verdict.ranking if place.passed and place.reason]
        for place in ranked if len(ranked) > 1 else ():
            yield from wrapped(f"candidate {place.number}: {place.reason}", width, f"  {place.rank}. ")
        comments = result.verdict.critic.comments if result.verdict.critic else {}
        for where, comment in comments.items():
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
    for line in found.lines:
        yield from _difference(line, width)
    yield from wrapped(found.count, width, "  ")


def _difference(difference: Difference, width: int) -> list[str]:
    """One input with what it gave before and gives now, on a line, or on two where that is too long."""
    before, after = one_line(difference.before, 60), one_line(difference.after, 60)
    kind = "" if difference.kind is DifferenceKind.OTHER_ANSWER else f" ({difference.kind})"
    call = f"  {one_line(difference.call, min(90, width - 3))}:"
    text = f"{call} {before} -> {after}{kind}"
    return [text] if len(text) <= width else [call, *wrapped(f"{before} -> {after}{kind}", width, "      ")]


def failure_lines(result: SessionResult, width: int) -> Iterator[str]:
    """The gates that failed, with the end of what their commands said; nothing where there is a winner."""
    for failure in failures_of(result):
        yield ""
        yield from wrapped(f"Candidate {failure.number} fails {failure.gate}: {failure.detail}", width)
        for line in failure.output.splitlines()[-_MOST_OUTPUT:]:
            yield f"    {line}"


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
