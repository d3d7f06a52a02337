"""Replacements of a word that explain what changed in several files at once."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from gitmimo.memory.procedure import Change, ProcedureStep

_MOST_PAIRS = 12
_TELLING = re.compile(r"[^\W\d]|[^\w\s]{2}")  # a bare number stands for anything


def find_replacements(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[ProcedureStep]:
    """Yield replacements of words that complete two files or more, first for whole directories, then file by file."""
    both = {path: (before[path], after[path]) for path in before if path in after}
    pairs: Counter[tuple[str, str]] = Counter()
    for old, new in both.values():
        pairs.update(set(_word_pairs(old, new)))
    frequent = [pair for pair in pairs.items() if pair[1] >= 2]
    for (old, new), _ in sorted(frequent, key=lambda item: (-item[1], -len(item[0][0]), item[0]))[:_MOST_PAIRS]:
        whole = whole_word(old)
        helped = []
        for path, texts in both.items():
            rewritten = substitute(whole, new, texts[0])
            if rewritten != texts[0] and _distance(rewritten, texts[1]) < _distance(texts[0], texts[1]):
                helped.append(path)
        if len(helped) >= 2:
            change = (Change(old=old, new=new),)
            for paths in (_patterns(helped), tuple(sorted(helped))):
                yield ProcedureStep(kind="replace", paths=paths, changes=change, whole_word=True)


def _distance(one: str, other: str) -> int:
    left, right = one.splitlines(), other.splitlines()
    if len(left) == len(right):
        return sum(a != b for a, b in zip(left, right, strict=True))
    return len(left) + len(right) - 2 * sum((Counter(left) & Counter(right)).values())


def whole_word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])")


def substitute(pattern: re.Pattern[str], new: str, text: str) -> str:
    return pattern.sub(lambda _: new, text)


def _word_pairs(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield what stands for what on changed lines: the differing words, alone and with the words beside them."""
    old, new = before.splitlines(), after.splitlines()
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and b - a == d - c:
            for one, other in zip(old[a:b], new[c:d], strict=True):
                yield from _differences(one, other)


def _differences(one: str, other: str) -> Iterator[tuple[str, str]]:
    left, right = (re.findall(r"[A-Za-z0-9_]+|\s+|[^A-Za-z0-9_\s]", line) for line in (one, other))
    found = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    blocks = [block[1:] for block in found if block[0] != "equal"]
    if blocks:
        blocks.append((blocks[0][0], blocks[-1][1], blocks[0][2], blocks[-1][3]))
    for a, b, c, d in blocks:
        for more_left, more_right in ((0, 0), (0, 2), (2, 0), (3, 0), (4, 0), (2, 2), (1, 1)):
            start, end = max(0, a - more_left), min(len(left), b + more_right)
            old = "".join(left[start:end])
            new = "".join([*left[start:a], *right[c:d], *left[b:end]])
            if old.strip() == old != new and _TELLING.search(old) and len(old) <= 200 and len(new) <= 200:
                yield old, new


def _common_prefix(left: Sequence[str], right: Sequence[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _patterns(paths: Sequence[str]) -> tuple[str, ...]:
    """Patterns that cover the paths: any file of the same ending below their common directories."""
    endings = sorted({path.rpartition("/")[2].partition(".")[2].rpartition(".")[2] for path in paths})
    common = _common_directory(paths)
    return tuple(f"{common}**/*.{ending}" if ending else f"{common}**/*" for ending in endings)


def _common_directory(paths: Sequence[str]) -> str:
    parts = [path.split("/")[:-1] for path in paths]
    shared = parts[0][: min(_common_prefix(parts[0], other) for other in parts)]
    return "".join(f"{part}/" for part in shared)
