"""Diffs: facts, text, and the lines of each file."""

import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from unidiff.patch import PatchSet

from gitmimo.evidence import DiffFacts, FileChange
from gitmimo.git.repository import Repository
from gitmimo.git.run import stream_git
from gitmimo.ids import Oid

_DIFF = ("diff-tree", "-r", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
_SECTION = b"diff --git "
_LARGEST_SECTION = 32 << 20  # bytes of one file's diff; a larger one would take gigabytes to parse


class DiffLine(NamedTuple):
    """One line of a hunk, without its line end. A line number is 0 where the side doesn't have the line.

    Bytes of `text` that are no UTF-8 are surrogates.
    `mark` is `+`, `-`, a space, `@` for a hunk's head, with the first lines and its section, or `\\` for git's remark.
    """

    mark: str
    old: int
    new: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One file's part of a diff. `remarks` are git's words about modes, renames and binary content."""

    lines: tuple[DiffLine, ...] = ()
    remarks: tuple[str, ...] = ()
    is_too_large: bool = False  # then it was not parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLine:
    """One line that a diff adds, without its line end, at its number in the new file."""

    path: str
    number: int
    text: bytes


def diff_facts(repository: Repository, old: Oid, new: Oid) -> DiffFacts:
    """Return the changed paths with their counts of lines, renames found as git finds them."""
    listed = repository.run(*_DIFF, "-z", "--raw", "--numstat", *_trees(repository, old, new)).stdout
    fields = iter(os.fsdecode(listed).split("\0"))
    files: dict[str, FileChange] = {}
    for field in fields:
        if field.startswith(":"):
            status = field.rpartition(" ")[2][0]
            old_path = next(fields) if status in "RC" else ""
            path = next(fields)
            files[path] = FileChange(path=path, status=status, old_path=old_path)
        elif field:
            added, removed, path = field.split("\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            is_binary = added == "-"
            counts = (0, 0) if is_binary else (int(added), int(removed))
            files[path] = replace(files[path], added=counts[0], removed=counts[1], is_binary=is_binary)
    return DiffFacts(files=tuple(files.values()))


def diff_text(repository: Repository, old: Oid, new: Oid, *, context: int = 3) -> bytes:
    """Return the diff as git prints it, paths with control characters quoted."""
    return repository.run(*_DIFF, *_patch_options(context), *_trees(repository, old, new)).stdout


def diff_chunks(repository: Repository, old: Oid, new: Oid, *, context: int = 3) -> Iterator[bytes]:
    """Yield the lines of `diff_text` as git finds them: for diffs that may be too large for memory."""
    args = [*_DIFF, *_patch_options(context), *_trees(repository, old, new)]
    return stream_git(args, cwd=repository.common_dir, git_dir=repository.git_dir)


def added_lines(repository: Repository, old: Oid, new: Oid) -> Iterator[AddedLine]:
    """Yield the lines that the diff adds, file by file, one file in memory at a time.

    Binary files have none, nor has a file whose diff is larger than 32 MiB.
    """
    for path, section in file_sections(repository, old, new, context=0):
        for line in section.lines:
            if line.mark == "+":
                yield AddedLine(path=path, number=line.new, text=os.fsencode(line.text))


def file_sections(repository: Repository, old: Oid, new: Oid, *, context: int = 3) -> Iterator[tuple[str, Section]]:
    """Yield each changed file's path and section, in git's order; a file that turns into a link has two sections."""
    changes = diff_facts(repository, old, new).files  # names as they are: the diff itself quotes odd ones
    paths = (change.path for change in changes for _ in range(2 if change.status == "T" else 1))
    section: list[bytes] = []
    size = 0
    for line in itertools.chain(diff_chunks(repository, old, new, context=context), [_SECTION]):
        if line.startswith(_SECTION):
            if section:
                yield next(paths), _parse_section(section) if size <= _LARGEST_SECTION else Section(is_too_large=True)
            section, size = [], 0
        size += len(line)
        if size <= _LARGEST_SECTION:
            section.append(line)


def _trees(repository: Repository, old: Oid, new: Oid) -> tuple[Oid, Oid]:
    return repository.tree_of(old), repository.tree_of(new)


def _patch_options(context: int) -> tuple[str, ...]:
    return "-p", f"-U{context}", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"


def _parse_section(lines: list[bytes]) -> Section:
    start = next((at for at, line in enumerate(lines) if line.startswith(b"@@ ")), len(lines))
    names = (b"index ", b"--- ", b"+++ ")
    remarks = tuple(os.fsdecode(line).removesuffix("\n") for line in lines[:start] if not line.startswith(names))
    if start == len(lines):
        return Section(remarks=remarks)
    # latin-1 keeps every byte, and lines end at line feeds only; the file's name is known from elsewhere
    body = "--- a/x\n+++ b/x\n" + b"".join(lines[start:]).decode("latin-1")
    found = []
    for hunk in PatchSet(io.StringIO(body, newline="\n"))[0]:
        found.append(DiffLine("@", hunk.source_start, hunk.target_start, _decode(hunk.section_header)))
        for line in hunk:
            text = _decode(line.value.removesuffix("\n"))
            found.append(DiffLine(line.line_type, line.source_line_no or 0, line.target_line_no or 0, text))
    return Section(lines=tuple(found), remarks=remarks)


def _decode(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))
