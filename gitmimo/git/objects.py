"""Tree objects as git stores them, in both directions; libgit2's builder takes no name that isn't UTF-8."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from gitmimo.ids import Oid

TREE = 0o040000
FILE = 0o100644
EXECUTABLE = 0o100755
LINK = 0o120000
GITLINK = 0o160000
# characters that HFS+ leaves out of names
_IGNORED_BY_HFS = frozenset(map(chr, [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]))
_GIT_DIR_NAMES = (".git", "git~1", "git~2", "git~3", "git~4")  # NTFS gives the short names in turn


class Entry(NamedTuple):
    """One path of a tree with git's mode and object id; a gitlink's object is in another repository.

    Undecodable bytes of a path are surrogates, as everywhere in Python's file names.
    """

    path: str
    mode: int
    oid: Oid


def parse_tree(data: bytes, prefix: str = "") -> dict[str, Entry]:
    """Read one tree object: its own entries by name, with paths that begin with `prefix`."""
    found: dict[str, Entry] = {}
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        name = os.fsdecode(data[space + 1 : end])
        found[name] = Entry(prefix + name, int(data[at:space], 8), Oid(data[end + 1 : end + 21].hex()))
        at = end + 21
    return found


def sort_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Bring one tree's own entries into git's order, in which a directory's name ends in a slash."""
    return sorted(entries, key=lambda entry: os.fsencode(entry.path + "/" if entry.mode == TREE else entry.path))


def format_tree(entries: Iterable[Entry]) -> bytes:
    """Write one tree object of entries that are in git's order."""
    return b"".join(b"%o %s\0%s" % (entry.mode, os.fsencode(entry.path), bytes.fromhex(entry.oid)) for entry in entries)


def is_git_dir_name(name: str) -> bool:
    """Whether some file system takes the name for `.git`: any case, trailing dots, short names, ignored characters."""
    plain = "".join(char for char in name if char not in _IGNORED_BY_HFS).lower()
    return plain.partition(":")[0].rstrip(" .") in _GIT_DIR_NAMES
