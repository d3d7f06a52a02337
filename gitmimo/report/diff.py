"""A diff as the report shows it: file by file, in lines of text."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitmimo.evidence import FileChange
from gitmimo.git.diff import Section, diff_facts, file_sections
from gitmimo.git.repository import Repository
from gitmimo.records import Oid


class DiffLine(NamedTuple):
    """One line of a hunk. `kind` is `+`, `-`, a space, `@` for a hunk's head or `\\` for git's remark."""

    kind: str
    old: int
    new: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The changes of one file. `remarks` are git's words about modes, renames and binary content."""

    change: FileChange
    lines: tuple[DiffLine, ...] = ()
    remarks: tuple[str, ...] = ()


def read_diff(repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = ()) -> tuple[FileDiff, ...]:
    """Return the difference of two trees file by file. Bytes that are no UTF-8 become lone surrogates."""
    changes = diff_facts(repository, old, new).files
    if paths:
        wanted = tuple(f"{path.rstrip('/')}/" for path in paths)
        changes = tuple(change for change in changes if f"{change.path}/".startswith(wanted))
    rest = (section for _, section in file_sections(repository, old, new, paths=paths))
    # both go through the files in one order; a file that turns into a link, or back, has two sections
    return tuple(_as_text(change, list(itertools.islice(rest, 2 if change.status == "T" else 1))) for change in changes)


def _as_text(change: FileChange, sections: Sequence[Section]) -> FileDiff:
    lines = (line for section in sections for line in section.lines)
    remarks = [_decode(remark) for section in sections for remark in section.remarks]
    if any(section.is_too_large for section in sections):
        remarks.append("too large to be shown")
    return FileDiff(
        change=change,
        lines=tuple(
            DiffLine(line.mark, line.old, line.new, _decode(line.text).strip(" " * (line.mark in "@\\")))
            for line in lines
        ),
        remarks=tuple(remarks),
    )


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
