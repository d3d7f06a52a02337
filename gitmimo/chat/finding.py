"""Which passages of the repository a question is about, found by rule: for models that can't look for themselves."""

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from gitmimo.agent.focus import is_test_path
from gitmimo.agent.syntax import find_functions
from gitmimo.chat.sight import Line, NotSeen, Sight, words_of

_DEFINES = re.compile(
    r"^\s*(?:export\s+|pub\s+|public\s+|private\s+|static\s+|async\s+|final\s+|default\s+)*"
    r"(?:def|class|func|function|fn|struct|enum|interface|trait|impl|type|const|let|var)\b|^\s*[A-Z_]{3,}\s*=",
)
_PROSE = (".md", ".rst", ".txt", ".lock", ".json", ".yaml", ".yml", ".toml", ".csv", ".svg")
_AROUND = 4
_LONGEST = 45  # lines of one passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Some lines of a file, with their numbers in front."""

    path: str
    first: int
    last: int
    text: str


def find_passages(sight: Sight, question: str, *, most: int) -> tuple[Passage, ...]:
    """The passages that fit best, the best first, of at most `most` characters together; none when no word fits.

    A function that holds a hit is shown whole when it is short. It does not understand: other words for the same thing
    are not found.
    """
    words = words_of(question)
    if not words:
        return ()
    try:
        lines = sight.search(words)
    except NotSeen:  # too large to search in time
        return ()
    weights = _weights(words, lines)
    by_path: dict[str, list[tuple[float, Line]]] = defaultdict(list)
    for line in lines:
        points = sum(weight for word, weight in weights.items() if word in line.text.lower())
        by_path[line.path].append((points * (1.8 if _DEFINES.match(line.text) else 1.0), line))
    found: list[Passage] = []
    room = most
    for path in sorted(by_path, key=lambda name: (-_worth(name, by_path[name], weights), name))[:6]:
        for passage in _passages(sight, path, by_path[path]):
            if len(passage.text) <= room:
                found.append(passage)
                room -= len(passage.text)
    return tuple(found)


def _weights(words: tuple[str, ...], lines: list[Line]) -> dict[str, float]:
    """Rare words weigh more; a word's weight falls with the files that hold it."""
    files: Counter[str] = Counter()
    for word in words:
        files[word.lower()] = len({line.path for line in lines if word.lower() in line.text.lower()})
    return {word: 1.0 / (1.0 + math.log1p(count)) for word, count in files.items() if count}


def _worth(path: str, hits: list[tuple[float, Line]], weights: dict[str, float]) -> float:
    text = " ".join(line.text.lower() for _, line in hits)
    worth = sum(weight for word, weight in weights.items() if word in text)
    worth += max(points for points, _ in hits) + 0.8 * sum(w for word, w in weights.items() if word in path.lower())
    return worth * (0.4 if is_test_path(path) else 0.6 if path.endswith(_PROSE) else 1.0)


def _passages(sight: Sight, path: str, hits: list[tuple[float, Line]]) -> list[Passage]:
    """At most two places of a file, each a whole function or some lines around the best hit."""
    try:
        text = sight.text_of(path)
    except NotSeen:
        return []
    lines = text.splitlines()
    functions = find_functions(path, text)
    found: list[Passage] = []
    for _, hit in sorted(hits, key=lambda entry: (-entry[0], entry[1].number)):
        if any(p.first <= hit.number <= p.last for p in found):
            continue
        around = next((f for f in functions if f.first <= hit.number <= f.last and f.last - f.first < _LONGEST), None)
        first = around.first if around else max(1, hit.number - _AROUND)
        last = around.last if around else min(len(lines), hit.number + 2 * _AROUND)
        shown = "\n".join(f"{n}: {lines[n - 1][:200]}" for n in range(first, min(last, len(lines)) + 1))
        found.append(Passage(path=path, first=first, last=last, text=shown))
        if len(found) == 2:
            break
    return found
