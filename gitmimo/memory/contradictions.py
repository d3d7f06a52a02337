"""Facts that say the opposite of each other, found by their words; both are kept and both are marked.

Found: the same words once with and once without a denial (`always` against `never`, `use` against `avoid`), and the
same subject with another value (`tests run with pytest`, `tests run with tox`). Not found: opposites in other words.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitmimo.memory.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two facts, by id in order, that can't both hold, and how that was seen."""

    first: str
    second: str
    reason: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DENIALS = _words(
    "not no never don't dont doesn't doesnt mustn't cannot can't cant won't without avoid forbidden stop skip disable"
    " disabled false off"
)
_EMPTY = _words(
    "a an the is are be of to in on for and or with by this that it its as at from must should shall will do does"
    " always only please need needs has have use uses used using enable enabled true run runs project all when if"
    " we you"
)
_VALUE_WORDS = re.compile(
    r"(?P<subject>.{3,120}?)\s+(?:is|are|uses?|runs? (?:with|by|on)|must be|should be|lives? in|equals?|=|:)"
    r"\s+(?P<value>.{1,120})\Z",
    re.I,
)
_LONGEST_VALUE = 3  # words; longer ones are descriptions, which can differ and both be true


def find_contradictions(facts: Sequence[Fact]) -> tuple[Contradiction, ...]:
    """Return the pairs that contradict each other, in a fixed order; each fact is compared with its likes only."""
    views = [_View(fact) for fact in sorted(facts, key=lambda fact: fact.id)]
    found: dict[tuple[str, str], str] = {}
    for group in _alike(views):
        for index, one in enumerate(group):
            for other in group[index + 1 :]:
                reason = _opposes(one, other)
                if reason:
                    pair = (min(one.id, other.id), max(one.id, other.id))
                    found.setdefault(pair, reason)
    return tuple(Contradiction(first=a, second=b, reason=reason) for (a, b), reason in sorted(found.items()))


class _View:
    """A fact's first line as sets of words."""

    __slots__ = ("id", "subject", "value", "words", "denials")

    def __init__(self, fact: Fact) -> None:
        line = fact.text.splitlines()[0].lower().rstrip(".")
        words = re.findall(r"[a-z0-9_']+(?:[./-][a-z0-9_]+)*", line)
        self.id = fact.id
        self.words = frozenset(_stem(word) for word in words if word not in _EMPTY and word not in DENIALS)
        self.denials = sum(word in DENIALS for word in words)
        match = _VALUE_WORDS.match(line)
        self.subject = _plain(match["subject"]) if match else ""
        self.value = _plain(match["value"]) if match else ""


def _opposes(one: _View, other: _View) -> str:
    shared = one.words & other.words
    union = one.words | other.words
    if one.denials % 2 != other.denials % 2 and shared and len(shared) / len(union) >= 0.75:
        return "one denies what the other says"
    if one.subject and one.subject == other.subject and one.value != other.value and one.denials == other.denials:
        values = set(one.value.split()), set(other.value.split())
        short = max(map(len, values)) <= _LONGEST_VALUE
        if short and not (values[0] <= values[1] or values[1] <= values[0]):
            return f"two values of `{one.subject}`"
    return ""


def _alike(views: Iterable[_View]) -> Iterable[list[_View]]:
    """Group by subject, and by the two rarest-looking words, so that ten thousand facts need no pairwise comparison."""
    by_subject: dict[str, list[_View]] = {}
    by_words: dict[tuple[str, ...], list[_View]] = {}
    for view in views:
        if view.subject:
            by_subject.setdefault(view.subject, []).append(view)
        longest = sorted(view.words, key=lambda word: (-len(word), word))[:2]
        if longest:
            by_words.setdefault(tuple(sorted(longest)), []).append(view)
    for group in (*by_subject.values(), *by_words.values()):
        if 1 < len(group) <= 200:
            yield group


def _plain(text: str) -> str:
    return " ".join(_stem(word) for word in re.findall(r"[a-z0-9_.-]+", text) if word not in _EMPTY)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
