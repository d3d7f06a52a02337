"""Kernel locks on files, between threads and processes; they end with their holder, however it ends.

Advisory: they exclude only those who ask. Children don't inherit them. The lock file is made where absent and never
removed, since a lock on a removed file excludes nobody.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gitmimo.cancel import NEVER
from gitmimo.errors import RepoError

_POLL_S = 0.02


class LockTimeout(RepoError):
    """Somebody else held the lock for the whole of the wait."""


class FileLock:
    """A lock on one file, exclusive or shared. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock; for anybody see `is_locked`."""
        return self._handle >= 0

    def acquire(
        self, *, shared: bool = False, wait_s: float = 0.0, cancelled: Callable[[], bool] = NEVER.is_set
    ) -> bool:
        """Take the lock; False when it is not free within `wait_s`, or `cancelled` says so.

        RepoError when the file can't be opened, also where a symbolic link lies in its place.
        """
        limit = time.monotonic() + wait_s
        handle = self._open()
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= limit or cancelled():
                    os.close(handle)
                    return False
            except BaseException:
                os.close(handle)
                raise
            else:
                self._handle = handle
                return True
            time.sleep(_POLL_S)

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            reason = "a symbolic link lies in its place" if exc.errno == errno.ELOOP else exc.strerror
            raise RepoError(f"cannot open the lock file: {reason}: `{self.path}`") from exc


@contextlib.contextmanager
def hold_lock(path: Path, *, wait_s: float = 60.0, cancelled: Callable[[], bool] = NEVER.is_set) -> Iterator[None]:
    """Hold an exclusive lock for the length of a `with`.

    LockTimeout, naming the holder, after `wait_s` seconds or when `cancelled` says so; RepoError as `acquire`.
    """
    lock = FileLock(path)
    if not lock.acquire(wait_s=wait_s, cancelled=cancelled):
        holder = ""
        with contextlib.suppress(OSError):
            holder = path.read_bytes()[:32].decode(errors="replace").strip()
        by = f" by process {holder}" if holder else ""
        raise LockTimeout(f"still locked{by}: `{path}`", hint="wait for the other command to end")
    try:
        with contextlib.suppress(OSError):  # a full disk must not cost the lock
            os.pwrite(lock._handle, str(os.getpid()).ljust(10).encode(), 0)
        yield
    finally:
        lock.release()


def is_locked(path: Path | str) -> bool:
    """Whether somebody holds an exclusive lock now. Asking keeps others from taking it for an instant."""
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
