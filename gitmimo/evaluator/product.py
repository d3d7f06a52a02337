"""Gate 1: what a product must be before anything of it is run."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitmimo.errors import CheckError, RepoError
from gitmimo.git.edit import check_tree_path, entries_apart
from gitmimo.git.objects import GITLINK, LINK, Entry
from gitmimo.git.patch import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.records import DiffFacts, Oid
from gitmimo.redact import find_secrets
from gitmimo.visible import visible

_MOST_FILE_BYTES = 10 << 20
_MOST_BYTES = 40 << 20
_MOST_FILES = 5_000
_BEGIN, _END = re.compile(rb"^<{7}(?: |$)", re.M), re.compile(rb"^>{7}(?: |$)", re.M)
_MIDDLE = re.compile(rb"^={7}\r?$", re.M)


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
    changed = list(entries_apart(repository, repository.tree_of(product), repository.tree_of(base)))
    problems: list[str] = []
    flags: list[str] = []
    if not diff.files:
        problems.append("it changes nothing")
    if len(diff.files) > _MOST_FILES:
        problems.append(f"it changes {len(diff.files)} files, more than {_MOST_FILES}")
    problems += _bad_paths(changed)
    problems += _bare_repositories(repository, product, changed)
    total = 0
    for entry in changed:
        if entry.mode == GITLINK:
            continue
        data = repository.read_object(entry.oid)
        total += len(data)
        shown = visible(entry.path, newlines=False)
        if entry.mode == LINK:
            target = data.decode("utf-8", "surrogateescape")
            if _leaves_tree(entry.path, target):
                problems.append(f"a symlink leads out of the tree: `{shown}`")
            continue
        if len(data) > _MOST_FILE_BYTES:
            problems.append(f"a file has {len(data)} bytes, more than {_MOST_FILE_BYTES}: `{shown}`")
            continue
        problems += _conflicts(shown, data, repository.read_blob(base, entry.path))
        problems += _secrets(shown, data, repository.read_blob(base, entry.path), known_secrets or {}, flags)
    if total > _MOST_BYTES:
        problems.append(f"the changed files have {total} bytes together, more than {_MOST_BYTES}")
    return ProductFindings(diff=diff, problems=tuple(problems), flags=tuple(flags))


def _bad_paths(changed: list[Entry]) -> Iterator[str]:
    for entry in changed:
        shown = visible(entry.path, newlines=False)
        if entry.mode == GITLINK:
            yield f"a nested repository or submodule: `{shown}`"
        try:
            check_tree_path(entry.path)
        except RepoError:
            yield f"a path that leads out of the tree or into git's own: `{shown}`"


def _bare_repositories(repository: Repository, product: Oid, changed: list[Entry]) -> Iterator[str]:
    """Directories that git would take for a repository when somebody enters them."""
    for directory in sorted({entry.path.rpartition("/")[0] for entry in changed if entry.path.endswith("HEAD")}):
        prefix = f"{directory}/" if directory else ""
        names = {name for name in ("objects", "refs") if repository.find_entry(product, prefix + name) is not None}
        if names or repository.find_entry(product, f"{prefix}config") is not None:
            yield f"the layout of a bare repository: `{visible(directory or '.', newlines=False)}`"


def _leaves_tree(path: str, target: str) -> bool:
    if target.startswith("/") or "\0" in target:
        return True
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return joined == ".." or joined.startswith("../") or any(p.lower() == ".git" for p in joined.split("/"))


def _conflicts(shown: str, data: bytes, before: bytes | None) -> Iterator[str]:
    def has(text: bytes) -> bool:
        return bool(_BEGIN.search(text) and _MIDDLE.search(text) and _END.search(text))

    if b"\0" not in data[:8000] and has(data) and not has(before or b""):
        yield f"conflict markers: `{shown}`"


def _secrets(
    shown: str, data: bytes, before: bytes | None, known: Mapping[str, str], flags: list[str]
) -> Iterator[str]:
    """Secrets that the base's file doesn't hold already. What only looks like one is flagged for a person."""
    try:
        found = find_secrets(data, known)
        if not found:
            return
        text, old = data.decode("utf-8", "replace"), (before or b"").decode("utf-8", "replace")
    except CheckError as error:
        yield f"the scan for secrets failed: {error.message}: `{shown}`"
        return
    for finding in found:
        if text[finding.start : finding.end] in old:
            continue
        where = f"{finding.rule} in line {finding.line}: `{shown}`"
        if finding.certain:
            yield f"a secret: {where}"
        else:
            flags.append(f"review: may be a secret: {where}")
