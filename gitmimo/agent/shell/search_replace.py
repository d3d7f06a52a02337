"""Replacing a passage in a text: exactly, else without regard to white space, else the nearest block that is alike."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

NEAREST = 0.9  # how alike a block must be to be taken for the one that was meant
_MOST_LINES = 20_000  # past this no nearest block is looked for
_SHOWN_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A text with the passage replaced. Lines count from 1; `how` is empty for an exact match."""

    text: str
    first_line: int
    last_line: int  # of what replaces the passage; before `first_line` when that is nothing
    how: str = ""
    places: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Why nothing was replaced, with the nearest match. Contains no block that could be taken for an answer."""

    reason: str


def replace_passage(text: str, old: str, new: str, *, every: bool = False) -> Edited | Mismatch:
    """Replace the one passage that `old` means by `new`; the rest of the text keeps every character.

    The line ends of the text are taken over into what is new. A passage that occurs more than once is a Mismatch,
    whatever the way in which it was found, unless `every` asks for all exact occurrences.
    """
    if old == new:
        return Mismatch(reason="the old and the new passage are the same: nothing would change")
    if not old.strip():
        return Mismatch(
            reason="the passage to replace is empty, and the file is not; name the passage, or write the file"
        )
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    exact = _replace_exact(text, old, new, newline, every=every)
    if exact is not None:
        return exact
    return _replace_lines(text, old.replace("\r\n", "\n"), new.replace("\r\n", "\n"), newline)


def numbered(lines: Sequence[str], first: int) -> str:
    """Lines with their numbers, as they are shown to a model."""
    return "\n".join(f"{number:>5}| {line}" for number, line in enumerate(lines, first))


def _replace_exact(text: str, old: str, new: str, newline: str, *, every: bool) -> Edited | Mismatch | None:
    variants = [(old, new)]
    if newline == "\r\n" and "\r" not in old:
        variants.append((old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")))
    if newline == "\n" and "\r\n" in old:
        variants.append((old.replace("\r\n", "\n"), new.replace("\r\n", "\n")))
    for passage, replacement in variants:
        places = _places(text, passage)
        if len(places) > 1 and every:
            first = _spliced(text, places[0], places[0] + len(passage), replacement)
            return replace(first, text=text.replace(passage, replacement), places=text.count(passage))
        if len(places) > 1:
            return _ambiguous([text.count("\n", 0, place) + 1 for place in places])
        if places:
            return _spliced(text, places[0], places[0] + len(passage), replacement)
    for passage, replacement in variants:  # the file's last line may lack the line end that every block has
        bare = passage.removesuffix("\n").removesuffix("\r")
        if bare != passage and bare.strip() and text.endswith(bare) and len(_places(text, bare)) == 1:
            begins = len(text) - len(bare)
            if begins == 0 or text[begins - 1] == "\n":
                return _spliced(text, begins, len(text), replacement.removesuffix("\n").removesuffix("\r"))
    return None


def _places(text: str, passage: str) -> list[int]:
    """The positions of a passage, overlapping ones too; three at most."""
    places: list[int] = []
    at = text.find(passage)
    while at >= 0 and len(places) < 20:
        places.append(at)
        at = text.find(passage, at + 1)
    return places


def _spliced(text: str, begin: int, end: int, replacement: str, how: str = "") -> Edited:
    first = text.count("\n", 0, begin) + 1
    whole_lines = text[begin - 1 : begin] in ("", "\n") and (text[begin:end].endswith("\n") or end == len(text))
    last = first + replacement.removesuffix("\n").count("\n") - (not replacement and whole_lines)
    return Edited(text=text[:begin] + replacement + text[end:], first_line=first, last_line=last, how=how)


def _replace_lines(text: str, old: str, new: str, newline: str) -> Edited | Mismatch:
    whole = text.split("\n")
    has_final = whole[-1] == ""
    if has_final:
        whole.pop()
    wanted = _without_blank_ends(old.split("\n"))
    bare = [line.removesuffix("\r") for line in whole]
    squeezed = [re.sub(r"\s+", "", line) for line in bare]
    pattern = [re.sub(r"\s+", "", line) for line in wanted]
    found = _windows_equal(squeezed, pattern)
    if len(found) > 1:
        return _ambiguous([at + 1 for at in found])
    how = "without regard to white space"
    if found:
        at, size = found[0], len(wanted)
    else:
        best = _nearest(bare, wanted)
        if best is None:
            return Mismatch(reason="the passage does not occur in the file")
        at, size, alike, rivals = best
        if alike < NEAREST or len(pattern) < 2:
            return Mismatch(
                reason=f"the passage does not occur in the file. Nearest, {alike:.0%} alike:\n"
                + numbered(bare[at : at + min(size, _SHOWN_LINES)], at + 1)
            )
        if rivals:
            return _ambiguous([at + 1, *(rival + 1 for rival in rivals)])
        how = f"as the nearest block, {alike:.0%} alike"
    replacement = _reindented(_without_blank_ends(new.split("\n")), wanted, bare[at : at + size])
    lines = [*whole[:at], *(f"{line}{newline[:-1]}" for line in replacement), *whole[at + size :]]
    if at + size == len(whole) and not has_final and replacement:
        lines[-1] = lines[-1].removesuffix("\r")
    joined = "\n".join(lines) + ("\n" if has_final and lines else "")
    return Edited(text=joined, first_line=at + 1, last_line=at + len(replacement), how=how)


def _without_blank_ends(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[0].strip():
        kept.pop(0)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def _windows_equal(lines: Sequence[str], pattern: Sequence[str]) -> list[int]:
    size = len(pattern)
    return [
        at
        for at in range(len(lines) - size + 1)
        if lines[at] == pattern[0] and all(lines[at + i] == pattern[i] for i in range(1, size))
    ]


def _nearest(lines: Sequence[str], wanted: Sequence[str]) -> tuple[int, int, float, list[int]] | None:
    """The block most alike: its first line, its size, how alike, and where else a block is about as near."""
    if not lines or len(lines) > _MOST_LINES:
        return None
    stripped = [line.strip() for line in lines]
    goal = "\n".join(line.strip() for line in wanted)
    matcher = difflib.SequenceMatcher(None, "", goal, autojunk=False)
    scored: list[tuple[float, int, int]] = []
    best = 0.0
    for at, size in _candidate_blocks(stripped, [line.strip() for line in wanted]):
        matcher.set_seq1("\n".join(stripped[at : at + size]))
        floor = max(best - 0.05, 0.3)
        if matcher.real_quick_ratio() < floor or matcher.quick_ratio() < floor:
            continue
        alike = matcher.ratio()
        best = max(best, alike)
        scored.append((alike, at, size))
    if not scored:
        return None
    alike, at, size = max(scored, key=lambda entry: (entry[0], -entry[1]))
    rivals = sorted(
        {
            start
            for score, start, length in scored
            if score >= alike - 0.02 and (start >= at + size or start + length <= at)
        }
    )
    return at, size, alike, rivals


def _candidate_blocks(lines: Sequence[str], wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Blocks worth comparing: those that share the most whole lines with the passage, and nearly its size."""
    count = len(wanted)
    sizes = [size for size in (count, count - 1, count + 1) if 0 < size <= len(lines)]
    goal = Counter(line for line in wanted if line)
    shared = [1 if line in goal else 0 for line in lines]
    blocks: list[tuple[int, int, int]] = []
    for size in sizes:
        running = sum(shared[:size])
        for at in range(len(lines) - size + 1):
            blocks.append((running, at, size))
            if at + size < len(lines):
                running += shared[at + size] - shared[at]
    most = max((running for running, _, _ in blocks), default=0)
    chosen = [entry for entry in blocks if entry[0] >= most * 0.6] if most else blocks
    chosen.sort(key=lambda entry: (-entry[0], entry[1]))
    return [(at, size) for _, at, size in chosen[:4000]]


def _reindented(new: Sequence[str], old: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Shift the new lines by what the passage as given and the passage as found differ in indentation."""
    shifts: dict[str, str] = {}
    for given, found in zip(old, actual, strict=False):
        if given.strip() and found.strip():
            shifts.setdefault(_indent(given), _indent(found))
    if not shifts or all(given == found for given, found in shifts.items()):
        return list(new)
    return [_shifted(line, shifts) for line in new]


def _shifted(line: str, shifts: dict[str, str]) -> str:
    if not line.strip():
        return ""
    indent = _indent(line)
    if indent in shifts:
        return shifts[indent] + line[len(indent) :]
    known = max((given for given in shifts if indent.startswith(given)), key=len, default=None)
    if known is not None:
        return shifts[known] + indent[len(known) :] + line[len(indent) :]
    nearest = min(shifts, key=len)  # less indented than anything in the passage
    missing = len(nearest) - len(indent)
    kept = shifts[nearest][: max(0, len(shifts[nearest]) - missing)]
    return kept + line[len(indent) :]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _ambiguous(at_lines: Sequence[int]) -> Mismatch:
    shown = ", ".join(str(line) for line in at_lines[:8]) + (", …" if len(at_lines) > 8 else "")
    return Mismatch(
        reason=f"the passage occurs {len(at_lines)} times, at lines {shown}: add lines around it to say which"
    )
