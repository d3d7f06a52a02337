"""Gate 1: what a product must be before anything of it is run."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from gitmimo.errors import CheckError
from gitmimo.evaluator.indirect_changes import indirect_changes
from gitmimo.evaluator.review_flags import REVIEW
from gitmimo.evidence import DiffFacts
from gitmimo.git.diff import added_lines, diff_facts
from gitmimo.git.repository import GITLINK, LINK, TREE, Entry, Repository, is_git_dir_name
from gitmimo.git.trees import changed_paths
from gitmimo.ids import Oid
from gitmimo.redact import find_secrets
from gitmimo.text import one_line, quoted

_MOST_BYTES = 40 << 20
_MOST_FILES = 5_000

_MAX_FILE_BYTES = 10 << 20
_MAX_LINKS = 40
_MAX_PATH_BYTES = 2048  # the system's limit, less what comes before it
_CONFLICT = (re.compile(rb"<{7}(?: |\Z)"), re.compile(rb"={7}\Z"), re.compile(rb">{7}(?: |\Z)"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFindings:
    """What is wrong with a product; empty problems mean that it may be tested."""

    diff: DiffFacts
    problems: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def inspect_product(
    repository: Repository, base: Oid, product: Oid, *, known_secrets: Mapping[str, str] | None = None
) -> ProductFindings:
    """Look at every changed path and file: emptiness, escapes, conflicts, secrets, size.

    Reads git objects only; runs nothing. A scanner that fails is a problem, not a pass.
    """
    diff = diff_facts(repository, base, product)
    changed = [new for _, new in changed_paths(repository, base, product).values() if new is not None]
    problems: list[str] = []
    flags: list[str] = []
    if not diff.files:
        problems.append("it changes nothing")
    if len(diff.files) > _MOST_FILES:
        problems.append(f"it changes {len(diff.files)} files, more than {_MOST_FILES}")
    problems += find_tree_problems(repository, base, product)
    total = 0
    for entry in changed:
        if entry.mode in (GITLINK, LINK):
            continue
        data = repository.read_object(entry.oid)
        total += len(data)
        if len(data) <= _MAX_FILE_BYTES:  # larger ones are a problem already
            problems += _secrets(entry.path, data, repository.read_blob(base, entry.path), known_secrets or {}, flags)
    if total > _MOST_BYTES:
        problems.append(f"the changed files have {total} bytes together, more than {_MOST_BYTES}")
    everything = [entry.path for entry in repository.list_paths(product)]
    before, after = (partial(repository.read_blob, tree) for tree in (base, product))
    flags += [f"{REVIEW}{line}" for line in indirect_changes(diff.paths, everything, before, after)]
    ignoring = sorted(path for path in diff.paths if PurePosixPath(path).name == ".gitignore")
    flags += [f"changes what git ignores: {quoted(path)}" for path in ignoring]
    return ProductFindings(diff=diff, problems=tuple(problems), flags=tuple(flags))


def _secrets(path: str, data: bytes, before: bytes | None, known: Mapping[str, str], flags: list[str]) -> Iterator[str]:
    """Secrets that the base's file doesn't hold already. What only looks like one is flagged for a person."""
    text, old = data.decode("utf-8", "replace"), (before or b"").decode("utf-8", "replace")
    try:
        found = find_secrets(data, known)
    except CheckError as error:
        yield f"the scan for secrets failed: {error.message}: {quoted(path)}"
        return
    for finding in found:
        if text[finding.start : finding.end] in old:
            continue
        where = f"{finding.rule} in line {finding.line}: {quoted(path)}"
        if finding.certain:
            yield f"a secret: {where}"
        else:
            flags.append(f"{REVIEW}may be a secret: {where}")


def find_tree_problems(
    repository: Repository, base: Oid, tree: Oid, *, max_file_bytes: int = _MAX_FILE_BYTES
) -> tuple[str, ...]:
    """Name each problem that `tree` has and `base` hasn't; empty when there is none.

    Covers nested repositories, `.git` in any spelling, bare repositories spelt out as files, links that leave the tree,
    large files, paths too long to be checked out, and conflict markers. Secrets and what the code does are for others.
    Control characters in names are shown, not sent.
    """
    base, tree = repository.tree_of(base), repository.tree_of(tree)
    changed = [new for _, new in changed_paths(repository, base, tree).values() if new is not None]
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
