"""Trees changed path by path, and compared path by path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitmimo.errors import RepoError
from gitmimo.git.objects import GITLINK, TREE, Entry
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

MIMO_DIR = ".mimo"
# characters that HFS+ leaves out of names
_IGNORED_BY_HFS = frozenset(map(chr, [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]))


@dataclass(frozen=True, slots=True)
class _Node:
    """What becomes of one directory: entries set or removed by name, and directories changed further down."""

    entries: dict[str, tuple[Oid, int] | None]
    directories: "dict[str, _Node]"


def change_paths(repository: Repository, tree: Oid, wanted: Mapping[str, tuple[Oid, int] | None]) -> Oid:
    """Return the tree with each path set to an object and mode, or removed; directories left empty go as well."""
    root = _Node({}, {})
    # removals first: where a file gives way to a directory of its name, the directory stays
    for path in sorted(wanted, key=lambda path: wanted[path] is not None):
        *parents, name = check_tree_path(path).split("/")
        node = root
        for parent in parents:
            if wanted[path] is not None:
                node.entries.pop(parent, None)
            node = node.directories.setdefault(parent, _Node({}, {}))
        node.entries[name] = wanted[path]
        if wanted[path] is not None:
            node.directories.pop(name, None)
    return _write_node(repository, repository.tree_of(tree), root) or empty_tree(repository)


def empty_tree(repository: Repository) -> Oid:
    """Return the tree without entries."""
    return repository.write_tree(())


def check_tree_path(path: str) -> str:
    """Refuse a path that git must not hold: absolute, `..`, empty parts, `.git` in any of its spellings."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") or is_git_dir_name(part) for part in parts):
        raise RepoError(f"not a usable path in a tree: `{path}`")
    return path


def is_git_dir_name(name: str) -> bool:
    """Whether some file system takes the name for `.git`: any case, trailing dots, short names, ignored characters."""
    plain = "".join(letter for letter in name if letter not in _IGNORED_BY_HFS).lower()
    plain = plain.partition(":")[0].rstrip(" .")
    return plain in (".git", "git~1")


def entries_apart(repository: Repository, wanted: Oid, other: Oid | None, prefix: str = "") -> Iterator[Entry]:
    """Yield the files, links and gitlinks of the tree `wanted` that the tree `other` lacks or holds differently."""
    others = repository.read_tree(other) if other is not None else {}
    for name, item in repository.read_tree(wanted).items():
        same = others.get(name)
        if same == item:
            continue
        if item.mode == TREE:
            below = same.oid if same is not None and same.mode == TREE else None
            yield from entries_apart(repository, item.oid, below, f"{prefix}{name}/")
        else:
            yield Entry(prefix + name, item.mode, item.oid)


def hold_written(repository: Repository, tree: Oid, known: Oid) -> None:
    """Hold what the git binary has just written: the tree's objects that the tree `known` lacks.

    RepoError when a gc took one of them before that.
    """
    hold = repository.hold
    if hold is None or tree == known or not hold.add(tree):
        return  # in a pack, then all of it was there before
    before = repository.read_tree(known)
    for name, item in repository.read_tree(tree).items():
        same = before.get(name)
        if same == item or item.mode == GITLINK:
            continue
        if item.mode == TREE:
            below = same.oid if same is not None and same.mode == TREE else empty_tree(repository)
            hold_written(repository, item.oid, below)
        else:
            hold.add(item.oid)


def _write_node(repository: Repository, tree: Oid | None, node: _Node) -> Oid | None:
    """Write one changed directory; None when nothing is left of it."""
    before = repository.read_tree(tree) if tree is not None else {}
    held = dict(before)
    for name, value in node.entries.items():
        if value is None:
            held.pop(name, None)
        else:
            held[name] = Entry(name, value[1], value[0])
    for name, below in node.directories.items():
        found = held.get(name)
        if found is not None and found.mode != TREE and not _adds(below):
            continue  # paths to remove below a file: nothing is there
        written = _write_node(repository, found.oid if found is not None and found.mode == TREE else None, below)
        if written is None:
            held.pop(name, None)
        else:
            held[name] = Entry(name, TREE, written)
    if held == before:
        return tree
    return repository.write_tree(held.values()) if held else None


def _adds(node: _Node) -> bool:
    return any(value is not None for value in node.entries.values()) or any(map(_adds, node.directories.values()))
