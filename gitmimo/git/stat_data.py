"""What git's index says of a new checkout's files: which object each is, and how it looked when git had written it."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from gitmimo.records import Oid

_FINE_SLACK_NS = 100_000_000
_COARSE_SLACK_NS = 2_500_000_000
_HEADER = struct.Struct(">4s2L")
_ENTRY = struct.Struct(">10L20sH")  # ctime, mtime (s, ns each), device, inode, mode, owner, group, size, object, flags
_EXTENDED = 0x4000
_NOT_PLAIN = 0x8000 | 0x3000  # told to be taken as unchanged, or a side of a conflict
_32_BITS = 0xFFFFFFFF
_Mark = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Written:
    """One file as git wrote it. `size` and `inode` are the lowest 32 bits, which is all that an index holds."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int
    mode: int  # git's
    oid: Oid

    def is_still(self, modified_ns: int, changed_ns: int, size: int, inode: int, mode: int) -> bool:
        """Whether a file with these facts was not touched since."""
        return (
            self.modified_ns == modified_ns
            and self.changed_ns == changed_ns
            and self.size == size & _32_BITS
            and self.inode == inode & _32_BITS
            and self.mode == mode
        )


@dataclass(frozen=True, slots=True)
class Checkout:
    """The index of a checkout that nobody else has worked in yet. What is written to it later has no say."""

    index: Path
    mark: _Mark

    def read(self) -> dict[str, Written]:
        """Return its files by path; none when the index is another by now, or of a kind that isn't read here."""
        try:
            if not self.is_untouched():
                return {}
            data = self.index.read_bytes()
            if not self.is_untouched():
                return {}
            return dict(_entries(data, written_ns=self.mark[0]))
        except (OSError, ValueError, struct.error):
            return {}

    def is_untouched(self) -> bool:
        """Whether the index is still the one that was noted. OSError when it is gone."""
        return _mark(self.index) == self.mark


def note_checkout(index: Path) -> Checkout | None:
    """Note a checkout by its index, before anybody can work there; None without one."""
    try:
        return Checkout(index, _mark(index))
    except OSError:
        return None


def is_settled(modified_ns: int, changed_ns: int, *, at_ns: int) -> bool:
    """Whether a change after that moment would show in a file's times; on a clock of whole seconds it may not."""
    slack = _FINE_SLACK_NS if modified_ns % 1_000_000_000 or changed_ns % 1_000_000_000 else _COARSE_SLACK_NS
    return max(modified_ns, changed_ns) + slack < at_ns


def _mark(index: Path) -> _Mark:
    found = index.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _entries(data: bytes, *, written_ns: int) -> list[tuple[str, Written]]:
    kind, version, count = _HEADER.unpack_from(data)
    if kind != b"DIRC" or version not in (2, 3):
        return []
    found = []
    at = _HEADER.size
    for _ in range(count):
        (changed_s, changed_ns, modified_s, modified_ns, _, inode, mode, _, _, size, oid, flags) = _ENTRY.unpack_from(
            data, at
        )
        start = at + _ENTRY.size + (2 if flags & _EXTENDED else 0)
        end = data.index(b"\0", start)
        at += ((end - at) // 8 + 1) * 8  # filled up with 1 to 8 zeros
        modified, changed = modified_s * 1_000_000_000 + modified_ns, changed_s * 1_000_000_000 + changed_ns
        if not flags & (_NOT_PLAIN | _EXTENDED) and is_settled(modified, changed, at_ns=written_ns):
            path = os.fsdecode(data[start:end])
            found.append((path, Written(modified, changed, size, inode, mode, Oid(oid.hex()))))
    return found
