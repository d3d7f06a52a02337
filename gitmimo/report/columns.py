"""A diff for wide terminals: old and new beside each other, line by line."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gitmimo.report.changes import STATUS_WORDS
from gitmimo.report.diff import DiffLine, FileDiff
from gitmimo.text import escape_controls


class Row(NamedTuple):
    """One line. `kind` is head, hunk, remark, same or changed; only the last two have a right half."""

    kind: str
    left: str
    right: str = ""


NARROWEST = 160  # below this git's own form is easier to read


def side_by_side(files: Sequence[FileDiff], *, width: int) -> Iterator[Row]:
    """Yield rows whose text is visible and whose halves fit the width."""
    half = (width - 3) // 2
    for file in files:
        change = file.change
        name = f"{change.old_path} -> {change.path}" if change.old_path else change.path
        size = "binary" if change.is_binary else f"+{change.added} -{change.removed}"
        yield Row(
            "head", escape_controls(f"{name}  {STATUS_WORDS.get(change.status, change.status)}  {size}", newlines=False)
        )
        for remark in file.remarks:
            yield Row("remark", escape_controls(remark, newlines=False))
        yield from _rows(file.lines, half)
        yield Row("remark", "")


def _rows(lines: Sequence[DiffLine], half: int) -> Iterator[Row]:
    removed: list[DiffLine] = []
    added: list[DiffLine] = []
    for line in lines:
        if line.kind == "-":
            if added:
                yield from _pairs(removed, added, half)
            removed.append(line)
        elif line.kind == "+":
            added.append(line)
        elif line.kind != "\\":
            yield from _pairs(removed, added, half)
            if line.kind == "@":
                yield Row("hunk", escape_controls(f"@@ {line.old} -> {line.new} @@ {line.text}", newlines=False))
            else:
                yield Row("same", _cell(line.old, " ", line.text, half), _cell(line.new, " ", line.text, half).rstrip())
    yield from _pairs(removed, added, half)


def _pairs(removed: list[DiffLine], added: list[DiffLine], half: int) -> Iterator[Row]:
    """Yield what was removed beside what was added, and empty both."""
    for at in range(max(len(removed), len(added))):
        old = _cell(removed[at].old, "-", removed[at].text, half) if at < len(removed) else " " * half
        new = _cell(added[at].new, "+", added[at].text, half) if at < len(added) else ""
        yield Row("changed", old, new.rstrip())
    removed.clear()
    added.clear()


def _cell(number: int, mark: str, text: str, width: int) -> str:
    shown = escape_controls(text, newlines=False).expandtabs(4)
    return _fit(f"{number:5} {mark}{shown}", width)


def _fit(text: str, width: int) -> str:
    """Cut or fill to a width in columns; wide characters count two, combining ones none."""
    used = 0
    kept = []
    for char in text:
        size = 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used + size > width - 1 and used + size != width:
            kept.append("…")
            used += 1
            break
        kept.append(char)
        used += size
    return "".join(kept) + " " * (width - used)
