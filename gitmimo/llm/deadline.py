"""The time limits of one exchange with a server, and a reader's queue with these limits."""

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from gitmimo.cancel import NEVER, CancelToken

_POLL_S = 0.05

T = TypeVar("T", covariant=True)


class ReadTimeout(Exception):
    """A time limit passed after the request was sent."""


class ConnectFailed(Exception):
    """No connection came about, so the server has seen nothing of the request."""


class ConnectionLost(Exception):
    """The connection broke after the request was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one exchange: to connect, of silence between two pieces, and altogether."""

    connect_s: float = 10.0
    read_s: float = 180.0
    total_s: float = 900.0


class Deadline:
    """When one exchange has to end: at its time limit, or when the caller gave up."""

    def __init__(self, timeouts: Timeouts, cancel: CancelToken = NEVER) -> None:
        self.timeouts = timeouts
        self.cancel = cancel
        self._ends = time.monotonic() + timeouts.total_s

    def shorten(self, seconds: float) -> None:
        """Allow only so much more: nothing of worth is still to come."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def check(self) -> None:
        """Raise Cancelled or ReadTimeout when it is over."""
        self.cancel.check()
        if time.monotonic() > self._ends:
            raise ReadTimeout(f"no end after {self.timeouts.total_s:g} s")

    def receive(
        self, items: "queue.SimpleQueue[T | Exception | None] | queue.Queue[T | Exception | None]"
    ) -> Iterator[T]:
        """Yield the queue's items until None; raise an exception from the queue, and as `check` does."""
        silent_since = time.monotonic()
        while True:
            self.check()
            try:
                item = items.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - silent_since > self.timeouts.read_s:
                    raise ReadTimeout(f"nothing came for {self.timeouts.read_s:g} s") from None
                continue
            silent_since = time.monotonic()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
