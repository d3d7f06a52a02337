"""Trees edited and compared path by path, written into a directory, and `.mimo/` taken out of them and put in."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.git.repository import EXECUTABLE, FILE, TREE, Entry, Repository, is_git_dir_name
from gitmimo.git.run import run_git
from gitmimo.ids import Oid

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

    A path that is removed may become a directory by another one that is set below it.
    """
    changes = _by_directory(wanted)
    order = sorted(changes, key=lambda directory: directory.count("/") + bool(directory))  # parents first
    old: dict[str, Oid | None] = {"": repository.tree_of(tree)}
    for directory in order[1:]:
        parent, _, name = directory.rpartition("/")
        found = None if name in changes[parent] else _entries(repository, old[parent]).get(name)
        old[directory] = found.oid if found is not None and found.mode == TREE else None
    new: dict[str, dict[str, Oid | None]] = {directory: {} for directory in order}  # its changed subdirectories
    for directory in reversed(order):
        written = _edit_directory(repository, old[directory], changes[directory], new[directory])
        parent, _, name = directory.rpartition("/")
        if directory:
            new[parent][name] = written
    return written or empty_tree(repository)


def empty_tree(repository: Repository) -> Oid:
    """Return the tree without entries."""
    return repository.write_tree(())


def diff_entries(repository: Repository, wanted: Oid, other: Oid | None) -> Iterator[Entry]:
    """Yield the files, links and gitlinks of `wanted` that the tree `other` lacks or has in another version."""
    waiting = [_differing(repository, wanted, other, "")]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        entry, below = found
        if entry.mode == TREE:
            waiting.append(_differing(repository, entry.oid, below, f"{entry.path}/"))
        else:
            yield entry


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
    tree, source = repository.tree_of(tree), repository.tree_of(source)
    before = {entry.path: entry for entry in diff_entries(repository, source, tree)}
    after = {entry.path for entry in diff_entries(repository, tree, source)}
    changed = tuple(sorted(path for path in before.keys() | after if is_restored(path)))
    wanted: dict[str, _Value] = {path: None for path in changed if path not in before}
    wanted |= {path: (before[path].oid, before[path].mode) for path in changed if path in before}
    return edit_tree(repository, tree, wanted), changed


def checkout_tree(
    repository: Repository, tree: Oid, directory: Path, *, attributes_from: Oid | None = None, index: Path | None = None
) -> None:
    """Write the tree's files into an empty directory; submodules become empty directories.

    Only user-level filters run that `attributes_from` names, which is the tree itself unless given. Nobody's index,
    HEAD or checkout is touched; the index is left at `index` where that is given.
    """
    directory.mkdir(parents=True, exist_ok=True)
    filters = repository.user_rules.filter_switches(repository.filters_of(attributes_from or tree))
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


def _by_directory(wanted: Mapping[str, _Value]) -> dict[str, dict[str, _Value]]:
    """Group changes by directory, "" for the top, with every parent of a changed path in it."""
    changes: dict[str, dict[str, _Value]] = {"": {}}
    # removals first: where a file gives way to a directory of its name, the directory stays
    for path in sorted(wanted, key=lambda path: wanted[path] is not None):
        *parents, name = check_tree_path(path).split("/")
        directory = ""
        for parent in parents:
            if wanted[path] is not None and changes[directory].get(parent) is not None:
                del changes[directory][parent]
            directory = f"{directory}/{parent}" if directory else parent
            changes.setdefault(directory, {})
        changes[directory][name] = wanted[path]
        if wanted[path] is not None and path in changes:
            for below in [other for other in changes if other == path or other.startswith(f"{path}/")]:
                del changes[below]
    return changes


def _edit_directory(
    repository: Repository, tree: Oid | None, files: Mapping[str, _Value], directories: Mapping[str, Oid | None]
) -> Oid | None:
    """Write one changed directory; None when nothing is left of it."""
    before = _entries(repository, tree)
    entries = dict(before)
    for name, value in files.items():
        entries.pop(name, None)
        if value is not None:
            entries[name] = Entry(name, value[1], value[0])
    for name, below in directories.items():
        found = entries.get(name)
        if below is not None:
            entries[name] = Entry(name, TREE, below)
        elif found is not None and found.mode == TREE:
            del entries[name]  # below a file there was nothing to remove
    if entries == before:
        return tree
    return repository.write_tree(entries.values()) if entries else None


def _entries(repository: Repository, tree: Oid | None) -> Mapping[str, Entry]:
    return repository.read_tree(tree) if tree is not None else {}


def _differing(
    repository: Repository, wanted: Oid, other: Oid | None, prefix: str
) -> Iterator[tuple[Entry, Oid | None]]:
    """One directory's own entries that differ, each with the other side's tree of that name."""
    others = _entries(repository, other)
    for name, item in repository.read_tree(wanted).items():
        same = others.get(name)
        if same != item:
            is_tree = same is not None and same.mode == TREE
            yield Entry(prefix + name, item.mode, item.oid), same.oid if same is not None and is_tree else None


MIMO_DIR = ".mimo"


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
