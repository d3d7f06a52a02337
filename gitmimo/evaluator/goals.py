"""Which of the base's failing tests a task is about. Pure, and careful: unrelated failures don't stop a candidate."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

_ALL = re.compile(
    r"\bfailing tests?\b|\btests? (?:that |which |is |are |currently |still )*fail(?:s|ing)?\b|\btest suite\b|"
    r"\b(?:make|get|let) (?:all |the |all the )*tests? (?:pass|green)\b|\bfix (?:all |the |all the )*tests?\b",
    re.I,
)
_MENDING = re.compile(
    r"\b(?:fix\w*|bugs?|broken|wrong\w*|incorrect\w*|crash\w*|errors?|fail\w*|repair\w*|regression|mend\w*|"
    r"should (?:not )?(?:be|return|raise|give|have|work)|does(?:n't| not) work|instead of)\b",
    re.I,
)


class Need(enum.StrEnum):
    """How many of the named tests must pass."""

    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """Failing tests that the task is to mend."""

    need: Need = Need.NONE
    test_ids: tuple[str, ...] = ()


def find_mending(task_text: str, failed_ids: Iterable[str]) -> Mending:
    """Read a task's wish off its words.

    Tests that it names must all pass; all failing tests when it speaks of failing tests; at least one of them when it
    speaks of a defect; none otherwise.
    """
    failed = sorted(failed_ids)
    if not failed:
        return Mending()
    named = tuple(name for name in failed if _is_named(name, task_text))
    if named:
        return Mending(need=Need.ALL, test_ids=named)
    if _ALL.search(task_text):
        return Mending(need=Need.ALL, test_ids=tuple(failed))
    if _MENDING.search(task_text):
        return Mending(need=Need.ANY, test_ids=tuple(failed))
    return Mending()


def _is_named(test_id: str, text: str) -> bool:
    """Whether the id, its function or its file stands in the text."""
    parts = re.split(r"::|\[| > ", test_id)
    names = [test_id, parts[0], parts[0].rpartition("/")[2]] + [p for p in parts[1:] if re.match(r"[Tt]est", p)]
    return any(len(name) > 5 and re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w])", text) for name in names)
