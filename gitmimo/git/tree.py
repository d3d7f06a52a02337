"""Trees: written from a directory by a private index, changed path by path, and checked out again."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from gitmimo.git.admin import checked_out_index
from gitmimo.git.binary import run_git
from gitmimo.git.edit import MIMO_DIR, change_paths, empty_tree, entries_apart
from gitmimo.git.objects import EXECUTABLE, FILE, TREE
from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import expect_absent, forget_checkout, take_snapshot
from gitmimo.records import Oid

# 0 workers: as many as cores, from 100 files on. The index is of a kind that `stat_data` reads
CHECKOUT_SWITCHES = (
    *("-c", "checkout.workers=0"),
    *("-c", "core.splitIndex=false"),
    *("-c", "index.sparse=false"),
    *("-c", "index.version=2"),
)
_WHOLE = ("-c", "core.sparseCheckout=false")  # sparse patterns are for where people and agents work


def snapshot(repository: Repository, directory: Path, *, parent: Oid, index: Path) -> Oid:
    """Write the directory's files as a tree, by a private index and the parent's ignore rules; see `take_snapshot`."""
    return take_snapshot(repository, directory, parent=parent, index=index).tree


def snapshot_worktree(repository: Repository, directory: Path, *, parent: Oid) -> Oid:
    """Write the files of a worktree of ours as a tree, once; what a sparse checkout left out is as in `parent`."""
    checked_out = checked_out_index(repository.common_dir, directory)
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        index = Path(scratch) / "index"
        if checked_out is not None:
            expect_absent(repository, checked_out, index=index)
        try:
            return snapshot(repository, directory, parent=parent, index=index)
        finally:
            forget_checkout(repository, index=index)


def unsaved_paths(repository: Repository, directory: Path, *, saved: Oid) -> tuple[str, ...]:
    """Name the files of a directory, `.mimo/` aside, that the commit `saved` lacks or holds differently.

    What must be empty before a worktree may go. Ignored files don't count.
    """
    product = without_mimo(repository, snapshot_worktree(repository, directory, parent=saved))
    kept = without_mimo(repository, saved)
    apart = [*entries_apart(repository, product, kept), *entries_apart(repository, kept, product)]
    return tuple(sorted({entry.path for entry in apart}))


def without_mimo(repository: Repository, tree: Oid) -> Oid:
    """Return the tree without its top-level `.mimo/`: what products and their comparisons are made of."""
    return change_paths(repository, tree, {MIMO_DIR: None})


def with_mimo_from(repository: Repository, tree: Oid, source: Oid) -> Oid:
    """Return the tree with `.mimo/` as `source` has it, or without when `source` has none."""
    found = repository.find_entry(source, MIMO_DIR)
    return change_paths(repository, tree, {MIMO_DIR: None if found is None else (found.oid, found.mode)})


def with_mimo_and(repository: Repository, tree: Oid, source: Oid, files: Mapping[str, bytes]) -> Oid:
    """Return the tree with `.mimo/` as `source` has it and these files in it, whose paths begin with `.mimo/`."""
    found = repository.find_entry(source, MIMO_DIR)
    before = found.oid if found is not None and found.mode == TREE else empty_tree(repository)
    added = put_files(repository, before, {path.removeprefix(f"{MIMO_DIR}/"): data for path, data in files.items()})
    return change_paths(repository, tree, {MIMO_DIR: (added, TREE)})


def overlay(
    repository: Repository, tree: Oid, source: Oid, is_protected: Callable[[str], bool]
) -> tuple[Oid, tuple[str, ...]]:
    """Make every protected path what it is in `source`: restored, added again, or removed where `source` lacks it.

    Returns the new tree and the paths that differed. A file in the place of a protected path's directory goes too.
    """
    tree, source = repository.tree_of(tree), repository.tree_of(source)
    before = {entry.path: entry for entry in entries_apart(repository, source, tree)}
    after = {entry.path for entry in entries_apart(repository, tree, source)}
    changed = tuple(sorted(path for path in before.keys() | after if is_protected(path)))
    wanted: dict[str, tuple[Oid, int] | None] = {path: None for path in changed if path not in before}
    wanted |= {path: (before[path].oid, before[path].mode) for path in changed if path in before}
    return change_paths(repository, tree, wanted), changed


def put_files(repository: Repository, tree: Oid, files: Mapping[str, bytes | None]) -> Oid:
    """Return the tree with these files written, keeping an existing file's mode, or removed where the value is None."""
    wanted: dict[str, tuple[Oid, int] | None] = {}
    for path, data in files.items():
        if data is None:
            wanted[path] = None
            continue
        found = repository.find_entry(tree, path)
        mode = found.mode if found is not None and found.mode in (FILE, EXECUTABLE) else FILE
        wanted[path] = (repository.write_blob(data), mode)
    return change_paths(repository, tree, wanted)


def checkout(
    repository: Repository, tree: Oid, directory: Path, *, attributes_from: Oid | None = None, index: Path | None = None
) -> None:
    """Write the tree's files into an empty directory; submodules become empty directories.

    Only user-level filters run that `attributes_from` names, which is the tree itself unless given. Nobody's index,
    HEAD or checkout is touched; the index is left at `index` where that is given.
    """
    directory.mkdir(parents=True, exist_ok=True)
    used = repository.filters_of(attributes_from or tree)
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        run_git(
            [
                *CHECKOUT_SWITCHES,
                *_WHOLE,
                *repository.user_rules.filter_switches(used),
                "read-tree",
                "--reset",
                "-u",
                tree,
            ],
            cwd=directory,
            git_dir=repository.common_dir,
            work_tree=directory,
            index=index or Path(scratch) / "index",
            env=repository.hold_environment,
        )
