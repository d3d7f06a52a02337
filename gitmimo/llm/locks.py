"""Kernel locks on files: they end with the process that holds them."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gitmimo.llm.retry import sleep_unless

_POLL_S = 0.03


class FileLock:
    """One hold on a lock file. Children don't inherit it; the file stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    @property
    def is_held(self) -> bool:
        return self._handle >= 0

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def acquire(self, *, cancelled: Callable[[], bool] | None = None, timeout_s: float = 600.0) -> bool:
        """Wait for the lock; False when the time is over. Raises Cancelled."""
        ends = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() > ends:
                return False
            sleep_unless(cancelled, _POLL_S)
        return True

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextlib.contextmanager
def held(path: Path, *, cancelled: Callable[[], bool] | None = None, timeout_s: float = 600.0) -> Iterator[bool]:
    """Hold a lock for a while; gives False when the time was over before it came free."""
    lock = FileLock(path)
    got = lock.acquire(cancelled=cancelled, timeout_s=timeout_s)
    try:
        yield got
    finally:
        lock.release()
