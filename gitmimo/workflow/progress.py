"""Progress events of a running session, and the signal that asks it to stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitmimo.records import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """News about a session (`number` 0) or one of its candidates. Empty fields say nothing new.

    `phase` is one of base, skill, plan, work, test, review, land, merge, dream, done. `text` is for people.
    """

    number: int
    phase: str
    text: str = ""
    step: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    tests: str = ""
    model: str = ""


Observer = Callable[[Progress], None]


def unobserved(progress: Progress) -> None:
    """Ignore the news."""


class StopSignal:
    """Asked often and cheaply: may the work go on? The first reason given stays."""

    def __init__(self, *, timeout_s: float | None = None) -> None:
        """Stop after `timeout_s`, when a watched file appears, or when `request` is called."""
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._stop_file: Path | None = None
        self._reason: StopReason | None = None
        self._lock = threading.Lock()

    def watch(self, stop_file: Path) -> None:
        """Stop also when this file appears."""
        self._stop_file = stop_file

    def request(self, reason: StopReason) -> None:
        """Ask everything that watches this flag to stop."""
        with self._lock:
            self._reason = self._reason or reason

    def reason(self) -> StopReason | None:
        """Say why to stop, None to go on."""
        if self._reason is None:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self.request(StopReason.TIMEOUT)
            elif self._stop_file is not None and self._stop_file.exists():
                self.request(StopReason.INTERRUPTED)
        return self._reason

    def is_set(self) -> bool:
        """Say whether to stop."""
        return self.reason() is not None
