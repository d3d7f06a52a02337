"""What everything that runs in a session shares: its journal, who watches its progress, and what asks it to stop."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitmimo.files import hold_lock
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.ids import SessionId
from gitmimo.journal import Journal
from gitmimo.records import StopReason
from gitmimo.workflow.directories import LOCK_NAME, STOP_NAME, journal_path


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a session and who started it hear of each other: its news, its warnings, and the wish to stop it."""

    observe: Observer
    warn: Callable[[str], None]
    stop_signal: StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What everything that runs in a session shares."""

    repository: Repository
    session: SessionId
    journal: Journal
    observe: Observer
    stop_signal: StopSignal


@contextlib.contextmanager
def session_context(repository: Repository, session: SessionId, watch: Watch) -> Iterator[SessionContext]:
    """Hold a session's lock, its journal open, and keep new objects from `git gc`, while it runs."""
    path = journal_path(repository, session)
    directory = path.parent
    directory.mkdir(parents=True, exist_ok=True)
    (directory / STOP_NAME).unlink(missing_ok=True)
    watch.stop_signal.watch(directory / STOP_NAME)
    with (
        hold_lock(directory / LOCK_NAME),
        contextlib.closing(Journal(path)) as journal,
        hold_off_gc(repository),
    ):
        yield SessionContext(
            repository=repository,
            session=session,
            journal=journal,
            observe=watch.observe,
            stop_signal=watch.stop_signal,
        )
