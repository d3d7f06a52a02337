"""Diffs as records, and questions about them."""

import ast
import hashlib
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitmimo.git.edit import entries_apart
from gitmimo.git.objects import GITLINK, Entry
from gitmimo.git.repository import Repository
from gitmimo.records import DiffFacts, FileChange, Oid

_DIFF = ("diff-tree", "-r", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLine:
    """One line that a diff adds, without its line end, at its number in the new file."""

    path: str
    number: int
    text: bytes


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
    args = [*_DIFF, "-p", f"-U{context}", "--src-prefix=a/", "--dst-prefix=b/", *(["--binary"] if binary else [])]
    return repository.run("--literal-pathspecs", *args, *_trees(repository, old, new), "--", *paths).stdout


def added_lines(repository: Repository, old: Oid, new: Oid, *, paths: Sequence[str] = ()) -> Iterator[AddedLine]:
    """Yield the lines that the diff adds, file by file; binary files have none."""
    text = diff_text(repository, old, new, paths=paths, context=0)
    # the patch quotes odd names, the raw list doesn't; both go through the files in the same order
    listed = repository.run(
        "--literal-pathspecs", *_DIFF, "-z", "--raw", *_trees(repository, old, new), "--", *paths
    ).stdout
    names = _names_in_order(iter(os.fsdecode(listed).split("\0")))
    path, number, left = "", 0, 0
    for line in text.split(b"\n"):
        if left == 0 and line.startswith(b"diff --git "):
            path = next(names)
        elif left == 0 and (found := _HUNK.match(line)):
            number, left = int(found[3]), int(found[4] or 1)
        elif left and line.startswith(b"+"):
            yield AddedLine(path=path, number=number, text=line[1:])
            number, left = number + 1, left - 1


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


def _names_in_order(fields: Iterator[str]) -> Iterator[str]:
    """Yield the name of each section of a patch; a file that turns into a link, or back, has two."""
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
