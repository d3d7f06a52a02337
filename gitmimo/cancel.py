"""Cancellation: whether somebody still wants the result of work that takes long."""

import time
from collections.abc import Callable

_POLL_S = 0.05


class Cancelled(Exception):
    """The caller no longer wants the result."""


class CancelToken:
    """Set as soon as one of its sources says so, for example `threading.Event().is_set`. Safe for several threads."""

    __slots__ = ("_sources",)

    def __init__(self, *sources: Callable[[], bool]) -> None:
        self._sources = sources

    def is_set(self) -> bool:
        """Whether the work should end."""
        return any(source() for source in self._sources)

    def check(self) -> None:
        """Raise Cancelled when set."""
        if self.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Sleep; raise Cancelled within 50 ms of being set."""
        ends = time.monotonic() + seconds
        while True:
            self.check()
            left = ends - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_POLL_S, left))


NEVER = CancelToken()
