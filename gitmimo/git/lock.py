"""Kernel locks between threads and processes; they end with their holder, however it ends."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gitmimo.errors import RepoError

_POLL_S = 0.02


class LockTimeout(RepoError):
    """Somebody else held the lock for the whole of the wait."""


@contextlib.contextmanager
def hold_lock(path: Path, *, wait_s: float = 60.0, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold an exclusive lock on the file, which is made where absent and never removed.

    LockTimeout after `wait_s`, or when `cancelled` says so. Not re-entrant. A symbolic link in the file's place is
    refused; links among its parent directories are followed. Advisory: excludes only those who ask.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        reason = "a symbolic link lies in its place" if exc.errno == errno.ELOOP else exc.strerror
        raise RepoError(f"cannot open the lock file: {reason}: `{path}`") from exc
    try:
        _acquire(handle, path, wait_s=wait_s, cancelled=cancelled)
        _record_holder(handle)
        yield
    finally:
        os.close(handle)  # releases


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now. Asking keeps others from taking it for an instant."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _acquire(handle: int, path: Path, *, wait_s: float, cancelled: Callable[[], bool]) -> None:
    limit = time.monotonic() + wait_s
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() >= limit or cancelled():
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
                by = f" by process {holder}" if holder else ""
                raise LockTimeout(f"still locked{by}: `{path}`", hint="wait for the other command to end") from exc
        time.sleep(_POLL_S)


def _record_holder(handle: int) -> None:
    """Leave the process number for whoever waits in vain; the lock doesn't depend on it."""
    with contextlib.suppress(OSError):  # a full disk must not cost the lock
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
