"""Checks of a tree before a merge: contents that would cause trouble for git or for people."""

import os
import re
from collections.abc import Iterator

from gitmimo.git.diff import added_lines
from gitmimo.git.objects import GITLINK, LINK, TREE, Entry, is_git_dir_name
from gitmimo.git.repository import Repository
from gitmimo.git.trees import diff_entries
from gitmimo.records import Oid
from gitmimo.text import one_line, quoted

_MAX_FILE_BYTES = 10 << 20
_MAX_LINKS = 40
_MAX_PATH_BYTES = 2048  # the system's limit, less what comes before it
_CONFLICT = (re.compile(rb"<{7}(?: |\Z)"), re.compile(rb"={7}\Z"), re.compile(rb">{7}(?: |\Z)"))


def find_tree_problems(
    repository: Repository, base: Oid, tree: Oid, *, max_file_bytes: int = _MAX_FILE_BYTES
) -> tuple[str, ...]:
    """Name each problem that `tree` has and `base` hasn't; empty when there is none.

    Covers nested repositories, `.git` in any spelling, bare repositories spelt out as files, links that leave the tree,
    large files, paths too long to be checked out, and conflict markers. Secrets and what the code does are for others.
    Control characters in names are shown, not sent.
    """
    base, tree = repository.tree_of(base), repository.tree_of(tree)
    changed = list(diff_entries(repository, tree, base))
    too_long = [entry for entry in changed if len(os.fsencode(entry.path)) > _MAX_PATH_BYTES]
    if too_long:  # nobody can check it out, so nothing else about it counts
        longest = max(too_long, key=lambda entry: len(os.fsencode(entry.path))).path
        size = len(os.fsencode(longest))
        return (f"a path of {size} bytes, more than {_MAX_PATH_BYTES}: {quoted(one_line(longest, 61))}",)
    problems = [problem for entry in changed for problem in _of_entry(repository, tree, entry, max_file_bytes)]
    problems += _bare_repositories(repository, tree, changed)
    problems += [f"conflict markers: {quoted(path)}" for path in _with_conflict_markers(repository, base, tree)]
    return tuple(dict.fromkeys(problems))


def _of_entry(repository: Repository, tree: Oid, entry: Entry, max_file_bytes: int) -> Iterator[str]:
    if any(is_git_dir_name(part) for part in entry.path.split("/")):
        yield f"a path into git's own directory: {quoted(entry.path)}"
    if entry.mode == GITLINK:
        yield f"a nested repository or moved submodule: {quoted(entry.path)}"
        return
    data = repository.read_object(entry.oid)
    if entry.mode == LINK:
        problem = _link_problem(repository, tree, entry.path, data)
        if problem:
            yield f"a symbolic link {problem}: {quoted(entry.path)}"
    elif len(data) > max_file_bytes:
        yield f"a file has {len(data)} bytes, more than {max_file_bytes}: {quoted(entry.path)}"


def _link_problem(repository: Repository, tree: Oid, path: str, target: bytes) -> str:
    """Say how a link leaves the tree, followed through the tree's other links; empty when it stays inside."""
    waiting = target.decode(errors="surrogateescape")
    if waiting.startswith("/"):
        return "to an absolute path"
    at = path.split("/")[:-1]
    parts = waiting.split("/")
    followed = 0
    while parts:
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not at:
                return "out of the tree"
            at.pop()
            continue
        if is_git_dir_name(part):
            return "into git's own directory"
        at.append(part)
        found = repository.find_entry(tree, "/".join(at))
        if found is not None and found.mode == LINK:
            followed += 1
            if followed > _MAX_LINKS:
                return "in a circle"
            further = repository.read_object(found.oid).decode(errors="surrogateescape")
            if further.startswith("/"):
                return "to an absolute path"
            at.pop()
            parts = further.split("/") + parts
    return ""


def _bare_repositories(repository: Repository, tree: Oid, changed: list[Entry]) -> Iterator[str]:
    """Find directories that git would take for a repository of their own, and whose configuration it would obey."""
    parents = {path[:at] for path in (e.path for e in changed) for at, char in enumerate(path) if char == "/"}
    for parent in sorted(parents | {""}):
        found = repository.find_entry(tree, parent) if parent else Entry("", TREE, tree)
        if found is None or found.mode != TREE:
            continue
        names = {name.lower() for name in repository.read_tree(found.oid)}
        if "head" in names and names & {"objects", "refs", "config", "commondir"}:
            yield f"the layout of a bare repository: {quoted(parent or '.')}"


def _with_conflict_markers(repository: Repository, base: Oid, tree: Oid) -> Iterator[str]:
    stage, current = 0, ""
    for line in added_lines(repository, base, tree):
        if line.path != current:
            stage, current = 0, line.path
        if stage < len(_CONFLICT) and _CONFLICT[stage].match(line.text.removesuffix(b"\r")):
            stage += 1
            if stage == len(_CONFLICT):
                yield line.path
