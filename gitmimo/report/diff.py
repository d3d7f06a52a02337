"""A unified diff taken apart into files and numbered lines."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitmimo.evidence import FileChange
from gitmimo.git.patch import diff_facts, diff_text
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)", re.DOTALL)


class DiffLine(NamedTuple):
    """One line of a hunk. `kind` is `+`, `-`, a space, `@` for a hunk's head or `\\` for git's remark."""

    kind: str
    old: int
    new: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What happened to one file. `remarks` are git's words about modes, renames and binary content."""

    change: FileChange
    lines: tuple[DiffLine, ...] = ()
    remarks: tuple[str, ...] = ()


def read_diff(repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = ()) -> tuple[FileDiff, ...]:
    """Return the difference of two trees file by file. Bytes that are no UTF-8 become lone surrogates."""
    text = diff_text(repository, old, new, paths=paths).decode("utf-8", "surrogateescape")
    changes = diff_facts(repository, old, new).files
    if paths:
        wanted = tuple(f"{path.rstrip('/')}/" for path in paths)
        changes = tuple(change for change in changes if f"{change.path}/".startswith(wanted))
    sections = [section for section in re.split(r"^(?=diff --git )", text, flags=re.MULTILINE) if section]
    return tuple(_parse(change, blocks) for change, blocks in _paired(changes, sections))


def _paired(changes: Sequence[FileChange], sections: list[str]) -> Iterator[tuple[FileChange, list[str]]]:
    """Both lists go through the files in one order; a file that turns into a link, or back, has two sections."""
    rest = iter(sections)
    for change in changes:
        yield change, list(itertools.islice(rest, 2 if change.status == "T" else 1))


def _parse(change: FileChange, sections: list[str]) -> FileDiff:
    lines: list[DiffLine] = []
    remarks: list[str] = []
    for section in sections:
        old = new = 0
        in_hunk = False
        for line in section.removesuffix("\n").split("\n"):
            found = _HUNK.match(line)
            if found and (not in_hunk or line.startswith("@@ ")):
                in_hunk, old, new = True, int(found[1]), int(found[3])
                lines.append(DiffLine("@", old, new, found[5].strip()))
            elif not in_hunk:
                if not line.startswith(("diff --git ", "index ", "--- ", "+++ ")):
                    remarks.append(line)
            elif line.startswith("+"):
                lines.append(DiffLine("+", 0, new, line[1:]))
                new += 1
            elif line.startswith("-"):
                lines.append(DiffLine("-", old, 0, line[1:]))
                old += 1
            elif line.startswith("\\"):
                lines.append(DiffLine("\\", 0, 0, line[2:]))
            else:
                lines.append(DiffLine(" ", old, new, line[1:]))
                old, new = old + 1, new + 1
    return FileDiff(change=change, lines=tuple(lines), remarks=tuple(remarks))
