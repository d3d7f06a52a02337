"""What happened in a session: an append-only file of checksummed lines, each on disk before its effect."""

import errno
import hashlib
import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gitmimo.codec import to_json
from gitmimo.errors import JournalError
from gitmimo.ids import utc_now

KILL_VARIABLE = "GIT_MIMO_TEST_KILL_AFTER"  # set by crash tests alone: the number of the line after which to die


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `event` names the effect; `done` is false for the intent written before it."""

    sequence: int
    time: datetime
    event: str
    done: bool
    data: Mapping[str, Any]


class Journal:
    """Appends entries to one file. Safe for threads; the session's lock keeps other processes out."""

    def __init__(self, path: Path) -> None:
        """Open for appending; a torn last line, left by a crash, is cut off first."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        entries, length, self._checksum = _scan(path)
        self._sequence = entries[-1].sequence if entries else 0
        self._length = length
        self._is_torn = False  # a line is there in part and could not be cut off: nothing may follow it
        self._lock = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, 0o600)
            if os.fstat(self._descriptor).st_size > length:
                os.ftruncate(self._descriptor, length)
            _sync_directory(path.parent)
        except OSError as exc:
            raise JournalError(f"cannot open the journal `{path}`: {exc.strerror}") from exc

    def intend(self, event: str, **data: Any) -> None:
        """Record that an effect is about to happen."""
        self._append(event, done=False, data=data)

    def done(self, event: str, **data: Any) -> None:
        """Record that an effect has happened."""
        self._append(event, done=True, data=data)

    def note(self, event: str, **data: Any) -> None:
        """Record what happened without waiting for the disk: kept when we are killed, and with the next line for good.

        For what is not on disk itself, such as a step's commit: git doesn't sync loose objects.
        """
        self._append(event, done=True, data=data, synced=False)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def _append(self, event: str, *, done: bool, data: Mapping[str, Any], synced: bool = True) -> None:
        with self._lock:
            body = json.dumps(
                {
                    "seq": self._sequence + 1,
                    "time": utc_now().isoformat(),
                    "event": event,
                    "done": done,
                    "data": to_json(data),
                },
                sort_keys=True,
                separators=(",", ":"),
            )
            checksum = _checksum(self._checksum, body)
            line = f"{checksum} {body}\n".encode()
            try:
                if self._is_torn:
                    raise OSError(errno.EIO, "an earlier line is torn")
                written = os.write(self._descriptor, line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, "no space left on device")
                if synced:
                    os.fdatasync(self._descriptor)
            except OSError as exc:
                try:
                    os.ftruncate(self._descriptor, self._length)
                except OSError:
                    self._is_torn = True
                raise JournalError(f"cannot write the journal `{self.path}`: {exc.strerror}") from exc
            self._length += len(line)
            self._sequence += 1
            self._checksum = checksum
            if str(self._sequence) == os.environ.get(KILL_VARIABLE):
                os.kill(os.getpid(), signal.SIGKILL)


def read_journal(path: Path) -> list[Entry]:
    """Read every entry. A torn last line is ignored; damage before it raises JournalError; no file is an empty list."""
    return _scan(path)[0]


def _scan(path: Path) -> tuple[list[Entry], int, str]:
    """Return entries, the length in bytes that is intact, and the last checksum."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0, ""
    entries: list[Entry] = []
    checksum, length = "", 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        entry, found = _parse(line, checksum)
        if entry is None or entry.sequence != number:
            if length + len(line) == len(content) and not line.endswith(b"\n"):
                break
            raise JournalError(
                f"the journal is damaged at line {number}: `{path}`",
                hint="the branches of its candidates are still there: git branch --list 'mimo/*'",
            )
        entries.append(entry)
        checksum = found
        length += len(line)
    return entries, length, checksum


def _parse(line: bytes, previous: str) -> tuple[Entry | None, str]:
    if not line.endswith(b"\n"):
        return None, ""
    try:
        found, body = line.decode().rstrip("\n").split(" ", 1)
        if found != _checksum(previous, body):
            return None, ""
        value = json.loads(body)
        entry = Entry(
            sequence=value["seq"],
            time=datetime.fromisoformat(value["time"]),
            event=value["event"],
            done=value["done"],
            data=value["data"],
        )
    except (ValueError, KeyError):
        return None, ""
    return entry, found


def _checksum(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()[:12]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
