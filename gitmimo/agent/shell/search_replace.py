"""Replacing a passage in a text: exactly, else whole lines without regard to white space."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_LEAST_ALIKE = 0.3  # a nearest block is shown from here on
_MOST_LINES = 5_000  # past this none is looked for
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
    has_crlf = 0 < text.count("\n") == text.count("\r\n")
    if has_crlf or old not in text:
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if not has_crlf:
        return _replace(text, old, new, every=every)
    edited = _replace(text.replace("\r\n", "\n"), old, new, every=every)
    return replace(edited, text=edited.text.replace("\n", "\r\n")) if isinstance(edited, Edited) else edited


def numbered(lines: Sequence[str], first: int) -> str:
    """Lines with their numbers, as they are shown to a model."""
    return "\n".join(f"{number:>5}| {line}" for number, line in enumerate(lines, first))


def _replace(text: str, old: str, new: str, *, every: bool) -> Edited | Mismatch:
    places = [found.start() for found in re.finditer(f"(?={re.escape(old)})", text)]  # overlapping ones too
    if len(places) > 1 and not every:
        return _ambiguous([text.count("\n", 0, place) + 1 for place in places])
    if not places:
        return _replace_lines(text, old, new)
    first = _spliced(text, places[0], places[0] + len(old), new)
    return replace(first, text=text.replace(old, new), places=text.count(old)) if every else first


def _spliced(text: str, begin: int, end: int, replacement: str) -> Edited:
    first = text.count("\n", 0, begin) + 1
    whole_lines = text[begin - 1 : begin] in ("", "\n") and (text[begin:end].endswith("\n") or end == len(text))
    last = first + replacement.removesuffix("\n").count("\n") - (not replacement and whole_lines)
    return Edited(text=text[:begin] + replacement + text[end:], first_line=first, last_line=last)


def _replace_lines(text: str, old: str, new: str) -> Edited | Mismatch:
    lines, wanted = text.split("\n"), _without_blank_ends(old)
    found = _windows_equal(lines, wanted)
    if len(found) > 1:
        return _ambiguous([at + 1 for at in found])
    if not found:
        return Mismatch(reason=f"the passage does not occur in the file{_nearest(lines, wanted)}")
    at, size = found[0], len(wanted)
    replacement = _reindented(_without_blank_ends(new), wanted, lines[at : at + size])
    lines[at : at + size] = replacement
    how = "without regard to white space"
    return Edited(text="\n".join(lines), first_line=at + 1, last_line=at + len(replacement), how=how)


def _without_blank_ends(text: str) -> list[str]:
    return re.sub(r"\A(?:[^\S\n]*\n)+|(?:\n[^\S\n]*)+\Z", "", text).split("\n") if text.strip() else []


def _windows_equal(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the lines are those wanted, white space aside."""
    squeezed, pattern = ([re.sub(r"\s+", "", line) for line in each] for each in (lines, wanted))
    return [at for at in range(len(lines) - len(wanted) + 1) if squeezed[at : at + len(wanted)] == pattern]


def _nearest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    """The block of the file that is most alike, with its line numbers; empty for none."""
    if len(lines) > _MOST_LINES:
        return ""
    goal = "\n".join(line.strip() for line in wanted)
    matcher = difflib.SequenceMatcher(None, "", goal, autojunk=False)
    best, begin = _LEAST_ALIKE, None
    for at in range(max(1, len(lines) - len(wanted) + 1)):
        matcher.set_seq1("\n".join(line.strip() for line in lines[at : at + len(wanted)]))
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (alike := matcher.ratio()) > best:
            best, begin = alike, at
    if begin is None:
        return ""
    shown = lines[begin : begin + min(len(wanted), _SHOWN_LINES)]
    return f". Nearest, {best:.0%} alike:\n{numbered(shown, begin + 1)}"


def _reindented(new: Sequence[str], old: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Shift the new lines by what the passage as given and the passage as found differ in indentation."""
    shifts: dict[str, str] = {}
    for given, found in zip(old, actual, strict=False):
        if given.strip():
            shifts.setdefault(_indent(given), _indent(found))
    if all(given == found for given, found in shifts.items()):
        return list(new)
    least = min(shifts, key=len)
    shifted = []
    for line in new:
        indent = _indent(line)
        known = max((given for given in shifts if indent.startswith(given)), key=len, default=None)
        if known is None:  # less indented than anything in the passage
            start = shifts[least][: max(0, len(shifts[least]) - len(least) + len(indent))]
        else:
            start = shifts[known] + indent[len(known) :]
        shifted.append(start + line[len(indent) :] if line.strip() else "")
    return shifted


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _ambiguous(at_lines: Sequence[int]) -> Mismatch:
    shown = ", ".join(str(line) for line in at_lines[:8]) + (", …" if len(at_lines) > 8 else "")
    return Mismatch(
        reason=f"the passage occurs {len(at_lines)} times, at lines {shown}: add lines around it to say which"
    )
