"""What behaves differently after a change, as lines for people: in the terminal, on the page and in a pull request."""

from dataclasses import dataclass

from gitmimo.behaviour import Difference, DifferenceKind
from gitmimo.results import SessionResult
from gitmimo.text import counted, one_line

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


def difference_text(difference: Difference) -> str:
    """One input with what it gave before and gives now, on a line."""
    before, after = one_line(difference.before, 60), one_line(difference.after, 60)
    return f"{one_line(difference.call, 90)}: {before} -> {after} ({difference.kind})"
