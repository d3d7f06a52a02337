"""Trees edited and compared path by path, written into a directory, and `.mimo/` taken out of them and put in."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.git.repository import EXECUTABLE, FILE, TREE, Entry, Repository, is_git_dir_name
from gitmimo.git.rules import read_tree_rules
from gitmimo.git.run import run_git
from gitmimo.ids import Oid

MIMO_DIR = ".mimo"
# 0 workers: as many as cores, from 100 files on
CHECKOUT_SWITCHES = (
    *("-c", "checkout.workers=0"),
    *("-c", "core.splitIndex=false"),
    *("-c", "index.sparse=false"),
    *("-c", "index.version=2"),
)
_WHOLE = ("-c", "core.sparseCheckout=false")  # sparse patterns are for where people and agents work
_Value = tuple[Oid, int] | None  # object and mode; None removes


def edit_tree(repository: Repository, tree: Oid, wanted: Mapping[str, _Value]) -> Oid:
    """Return the tree with each path set to an object and mode, or removed; directories left empty go as well.

    A path that is removed or set may become a directory by another one that is set below it.
    """
    changes: dict[str, dict[str, _Value]] = {"": {}}  # by directory, with every parent of a changed path
    for path, value in wanted.items():
        directory, _, name = check_tree_path(path).rpartition("/")
        changes.setdefault(directory, {})[name] = value
        while directory:
            directory = directory.rpartition("/")[0]
            changes.setdefault(directory, {})
    parents_first = sorted(changes)
    old: dict[str, Oid | None] = {"": repository.tree_of(tree)}
    for directory in parents_first[1:]:
        parent, _, name = directory.rpartition("/")
        found = None if name in changes[parent] else _entries(repository, old[parent]).get(name)
        old[directory] = found.oid if found is not None and found.mode == TREE else None
    made: Oid | None = None
    for directory in reversed(parents_first):
        made = _edit_directory(repository, old[directory], changes[directory])
        parent, _, name = directory.rpartition("/")
        if directory and (made is not None or old[directory] is not None):  # else there was nothing to remove
            changes[parent][name] = None if made is None else (made, TREE)
    return made or empty_tree(repository)


def empty_tree(repository: Repository) -> Oid:
    """Return the tree without entries."""
    return repository.write_tree(())


def changed_paths(repository: Repository, old: Oid, new: Oid) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return each file, link and gitlink that differs between two commits or trees: the old one and the new one."""
    switches = ("-r", "-z", "--raw", "--no-renames", "--ignore-submodules=none")
    listed = repository.run("diff-tree", *switches, repository.tree_of(old), repository.tree_of(new))
    fields = os.fsdecode(listed.stdout).split("\0")
    found = {}
    for facts, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_oid, new_oid, _ = facts.removeprefix(":").split(" ")
        sides = ((int(old_mode, 8), old_oid), (int(new_mode, 8), new_oid))
        before, after = (Entry(path, mode, Oid(oid)) if mode else None for mode, oid in sides)
        found[path] = (before, after)
    return found


def write_files(repository: Repository, tree: Oid, files: Mapping[str, bytes | None]) -> Oid:
    """Return the tree with these files written, keeping an existing file's mode, or removed where the value is None."""
    wanted: dict[str, _Value] = {}
    for path, data in files.items():
        if data is None:
            wanted[path] = None
            continue
        found = repository.find_entry(tree, path)
        mode = found.mode if found is not None and found.mode in (FILE, EXECUTABLE) else FILE
        wanted[path] = (repository.write_blob(data), mode)
    return edit_tree(repository, tree, wanted)


def restore_paths(
    repository: Repository, tree: Oid, source: Oid, is_restored: Callable[[str], bool]
) -> tuple[Oid, tuple[str, ...]]:
    """Restore every path that `is_restored` selects to its state in `source`: changed, added, or removed.

    Returns the new tree and the paths that differed. A file in the place of a restored path's directory goes too.
    """
    differing = changed_paths(repository, tree, source)
    wanted = {path: real and (real.oid, real.mode) for path, (_, real) in differing.items() if is_restored(path)}
    return edit_tree(repository, tree, wanted), tuple(sorted(wanted))


def checkout_tree(
    repository: Repository, tree: Oid, directory: Path, *, attributes_from: Oid | None = None, index: Path | None = None
) -> None:
    """Write the tree's files into an empty directory; submodules become empty directories.

    Only user-level filters run that `attributes_from` names, which is the tree itself unless given. Nobody's index,
    HEAD or checkout is touched; the index is left at `index` where that is given.
    """
    directory.mkdir(parents=True, exist_ok=True)
    filters = read_tree_rules(repository, attributes_from or tree).filter_switches
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        run_git(
            [*CHECKOUT_SWITCHES, *_WHOLE, *filters, "read-tree", "--reset", "-u", tree],
            cwd=directory,
            git_dir=repository.common_dir,
            work_tree=directory,
            index=index or Path(scratch) / "index",
        )


def check_tree_path(path: str) -> str:
    """Refuse a path that git must not store: absolute, `..`, empty parts, `.git` in any of its spellings."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") or is_git_dir_name(part) for part in parts):
        raise RepoError(f"not a usable path in a tree: `{path}`")
    return path


def _edit_directory(repository: Repository, tree: Oid | None, changes: Mapping[str, _Value]) -> Oid | None:
    """Write one changed directory; None when nothing is left of it."""
    before = _entries(repository, tree)
    entries = dict(before)
    for name, value in changes.items():
        entries.pop(name, None)
        if value is not None:
            entries[name] = Entry(name, value[1], value[0])
    if entries == before:
        return tree
    return repository.write_tree(entries.values()) if entries else None


def _entries(repository: Repository, tree: Oid | None) -> Mapping[str, Entry]:
    return repository.read_tree(tree) if tree is not None else {}


def without_mimo(repository: Repository, tree: Oid) -> Oid:
    """Return the tree without its top-level `.mimo/`."""
    return edit_tree(repository, tree, {MIMO_DIR: None})


def with_mimo_from(repository: Repository, tree: Oid, source: Oid) -> Oid:
    """Return the tree with `.mimo/` as `source` has it, or without when `source` has none."""
    found = repository.find_entry(source, MIMO_DIR)
    return edit_tree(repository, tree, {MIMO_DIR: None if found is None else (found.oid, found.mode)})


def with_mimo_files(repository: Repository, tree: Oid, source: Oid, files: Mapping[str, bytes]) -> Oid:
    """Return the tree with `.mimo/` as `source` has it and these files in it, whose paths begin with `.mimo/`."""
    found = repository.find_entry(source, MIMO_DIR)
    before = found.oid if found is not None and found.mode == TREE else empty_tree(repository)
    added = write_files(repository, before, {path.removeprefix(f"{MIMO_DIR}/"): data for path, data in files.items()})
    return edit_tree(repository, tree, {MIMO_DIR: (added, TREE)})
