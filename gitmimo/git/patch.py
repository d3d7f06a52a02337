"""Diffs as records, and questions about them."""

import ast
import hashlib
import io
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unidiff.patch import PatchSet

from gitmimo.evidence import DiffFacts, FileChange
from gitmimo.git.binary import stream_git
from gitmimo.git.edit import entries_apart
from gitmimo.git.objects import GITLINK, Entry
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_DIFF = ("diff-tree", "-r", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
_LITERAL = ("--literal-pathspecs",)
_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLine:
    """One line that a diff adds, without its line end, at its number in the new file."""

    path: str
    number: int
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One run of changed lines. Each line is its mark (space, `+`, `-`, backslash) and its bytes without line end."""

    old_start: int
    new_start: int
    section: bytes
    lines: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHunks:
    """One section of a patch."""

    path: str
    hunks: tuple[Hunk, ...]


def diff_facts(repository: Repository, old: Oid, new: Oid) -> DiffFacts:
    """Return the changed paths with their counts of lines, renames found as git finds them."""
    said = repository.run(*_DIFF, "-z", "--raw", "--numstat", *_trees(repository, old, new)).stdout
    fields = iter(os.fsdecode(said).split("\0"))
    raw: dict[str, tuple[str, str]] = {}
    counts: dict[str, tuple[int, int, bool]] = {}
    for field in fields:
        if field.startswith(":"):
            status = field.rpartition(" ")[2][0]
            old_path = next(fields) if status in "RC" else ""
            raw[next(fields)] = (status, old_path)
        elif field:
            added, removed, path = field.split("\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            counts[path] = (0, 0, True) if added == "-" else (int(added), int(removed), False)
    return DiffFacts(
        files=tuple(
            FileChange(path=path, status=status, old_path=old_path, added=added, removed=removed, is_binary=is_binary)
            for path, (status, old_path) in raw.items()
            for added, removed, is_binary in [counts.get(path, (0, 0, False))]
        )
    )


def diff_text(
    repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = (), context: int = 3, binary: bool = False
) -> bytes:
    """Return the diff as git prints it, paths with control characters quoted. With `binary` it can be applied."""
    args = [*_LITERAL, *_DIFF, *_patch_options(context), *(["--binary", "--full-index"] if binary else [])]
    return repository.run(*args, *_trees(repository, old, new), "--", *paths).stdout


def diff_chunks(
    repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = (), context: int = 3
) -> Iterator[bytes]:
    """Yield the lines of `diff_text` as git finds them: for diffs that may be too large to hold."""
    args = [*_LITERAL, *_DIFF, *_patch_options(context), *_trees(repository, old, new), "--", *paths]
    return stream_git(args, cwd=repository.common_dir, git_dir=repository.git_dir, env=repository.hold_environment)


def added_lines(repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = ()) -> Iterator[AddedLine]:
    """Yield the lines that the diff adds, file by file; binary files have none. Holds one line at a time."""
    names = _names_in_order(repository, old, new, paths)
    path, number = "", 0
    in_hunks = False
    for line in diff_chunks(repository, old, new, paths=paths, context=0):
        if line.startswith(b"diff --git "):
            path, in_hunks = next(names), False
        elif found := _HUNK.match(line):
            number, in_hunks = int(found[1]), True
        elif in_hunks and line.startswith(b"+"):
            yield AddedLine(path=path, number=number, text=line[1:].removesuffix(b"\n"))
            number += 1


def file_hunks(
    repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = (), context: int = 3
) -> Iterator[FileHunks]:
    """Yield each changed file with its hunks, none for a binary file or where only mode or name changed."""
    names = _names_in_order(repository, old, new, paths)
    text = diff_text(repository, old, new, paths=paths, context=context)
    for section in re.split(rb"(?m)^(?=diff --git )", text)[1:]:
        yield FileHunks(path=next(names), hunks=tuple(_parse_hunks(section)))


def normalised(repository: Repository, base: Oid, tree: Oid) -> str:
    """Return a key that is equal for products that differ only in layout, and in Python also in comments.

    A vote key, no proof of equal behaviour: what can't be parsed is compared by its words.
    """
    digest = hashlib.sha256()
    old, new = _trees(repository, base, tree)
    changed: dict[str, Entry | None] = {entry.path: None for entry in entries_apart(repository, old, new)}
    changed |= {entry.path: entry for entry in entries_apart(repository, new, old)}
    for path, entry in sorted(changed.items()):
        before = repository.find_entry(base, path)
        content = b"" if entry is None else _content(repository, path, entry)
        is_kept = before is not None and entry is not None and before.mode == entry.mode
        if before is not None and is_kept and _content(repository, path, before) == content:
            continue  # only its layout changed
        mode = b"-" if entry is None else b"%o" % entry.mode
        digest.update(b"%s\0%s\0%d\0%s" % (os.fsencode(path), mode, len(content), content))
    return digest.hexdigest()


def _trees(repository: Repository, old: Oid, new: Oid) -> tuple[Oid, Oid]:
    return repository.tree_of(old), repository.tree_of(new)


def _patch_options(context: int) -> tuple[str, ...]:
    return "-p", f"-U{context}", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"


def _names_in_order(repository: Repository, old: Oid, new: Oid, paths: Sequence[str]) -> Iterator[str]:
    """Yield the name of each section of a patch, as the patch itself quotes odd names.

    Both go through the files in the same order; a file that turns into a link, or back, has two sections.
    """
    listed = repository.run(*_LITERAL, *_DIFF, "-z", "--raw", *_trees(repository, old, new), "--", *paths).stdout
    fields = iter(os.fsdecode(listed).split("\0"))
    for field in fields:
        if not field.startswith(":"):
            continue
        status = field.rpartition(" ")[2][0]
        if status in "RC":
            next(fields)
        name = next(fields)
        yield name
        if status == "T":
            yield name


def _parse_hunks(section: bytes) -> Iterator[Hunk]:
    start = section.find(b"\n@@ ")
    if start < 0:
        return
    # latin-1 keeps every byte, and lines end at line feeds only; the file's name is known from elsewhere
    body = "--- a/x\n+++ b/x\n" + section[start + 1 :].decode("latin-1")
    for hunk in PatchSet(io.StringIO(body, newline="\n"))[0]:
        yield Hunk(
            old_start=hunk.source_start,
            new_start=hunk.target_start,
            section=hunk.section_header.encode("latin-1"),
            lines=tuple((line.line_type, line.value.encode("latin-1").removesuffix(b"\n")) for line in hunk),
        )


def _content(repository: Repository, path: str, entry: Entry) -> bytes:
    if entry.mode == GITLINK:
        return entry.oid.encode()
    data = repository.read_object(entry.oid)
    if path.endswith((".py", ".pyi")):
        parsed = _syntax(data)
        if parsed is not None:
            return parsed
    return b" ".join(data.split())


_WARNINGS = threading.Lock()


def _syntax(data: bytes) -> bytes | None:
    """Return the syntax tree as text; None when the file isn't Python or is too deep to parse."""
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an agent's odd string escapes are no news of ours
            return ast.dump(ast.parse(data)).encode(errors="surrogatepass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
