"""Progress of a session: a live table on a terminal, elsewhere a line for each important event."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from gitmimo.cli import render
from gitmimo.text import escape_controls, seconds, tokens, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from gitmimo.workflow.progress import Observer, Progress, StopSignal, Watch

PHASES = {
    "base": "base tests",
    "plan": "planning",
    "work": "working",
    "test": "testing",
    "compare": "comparing",
    "land": "landing",
    "merge": "merging",
}
_ONE_KEYPRESS_S = 0.5
_NUMBERS = {"#": 2, "step": 4, "tokens": 6, "cost": 7, "time": 5}  # columns with the width that keeps them still
_QUIET_S = 8.0  # without news for so long, what a candidate waits for is said


@dataclass(slots=True)
class _Row:
    last: Progress  # with what earlier news said where the last says nothing
    started: float
    heard: float
    ended: float = 0.0


@contextlib.contextmanager
def running(timeout_s: float, *, as_json: bool = False, title: str = "") -> Iterator[Watch]:
    """Show on stderr what happens, and let an interrupt end it orderly, until the block ends.

    Where a program reads JSON and no person sees stderr, nothing is shown.
    """
    from gitmimo.workflow.progress import StopSignal, Watch

    stop_signal = StopSignal(timeout_s=timeout_s)
    quiet = as_json and not sys.stderr.isatty()
    with watching(stream=sys.stderr, quiet=quiet, title=title) as observe, signals(stop_signal):
        yield Watch(observe=observe, warn=render.say, stop_signal=stop_signal)


@contextlib.contextmanager
def signals(stop_signal: StopSignal) -> Iterator[None]:
    """First interrupt: start no more work and keep results. Second: exit at once."""
    from gitmimo.records import StopReason

    asked_at = 0.0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at and time.monotonic() - asked_at < _ONE_KEYPRESS_S:
            return  # `git` passes the signal on that the terminal sent to both
        if stop_signal.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked_at = time.monotonic()
        stop_signal.request(StopReason.INTERRUPTED)
        render.say("stopping; what the candidates made is kept (again: exit at once)")

    def ignore_repeat(number: int, _frame: FrameType | None) -> None:
        """The same key press once more, after the work has ended: dropped; any other signal is as it was before."""
        if time.monotonic() - asked_at >= _ONE_KEYPRESS_S:
            signal.signal(number, old[signal.Signals(number)])
            signal.raise_signal(number)

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, ignore_repeat if asked_at else handler)


@contextlib.contextmanager
def watching(*, stream: TextIO, quiet: bool = False, title: str = "") -> Iterator[Observer]:
    """Give an observer that shows what happens, waits for rate limits included, until the block ends."""
    from gitmimo.workflow.progress import unobserved

    if quiet:
        yield unobserved
    elif stream.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stream, highlight=False, no_color=not render.wants_colour(stream))
        table = LiveTable(title)
        live = Live(get_renderable=table.draw, console=console, redirect_stdout=False, transient=True)
        with _forward_waits(table.wait), live:
            yield table.observe
    else:
        with _forward_waits(lambda text: render.say(f"session: {text}")):
            yield _line_by_line()


def _line_by_line() -> Observer:
    seen: set[tuple[int, str]] = set()
    lock = threading.Lock()

    def observe(progress: Progress) -> None:
        who = f"candidate {progress.number}" if progress.number else "session"
        with lock:
            if progress.phase == "work" and (progress.number, "work") in seen:
                return
            seen.add((progress.number, progress.phase))
            said = ", ".join(part for part in (progress.model, progress.text, progress.tests) if part)
            render.say(f"{who}: {PHASES.get(progress.phase, progress.phase)}{': ' + said if said else ''}")

    return observe


class LiveTable:
    """The state of a session as a picture: two lines about the session, and a row for each candidate."""

    def __init__(self, title: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._rows: dict[int, _Row] = {}
        self._phase = "starting"
        self._base = ""
        self._said = ""  # by the session, as that candidates take turns
        self._wait = ""

    def observe(self, progress: Progress) -> None:
        """Update the state; called from any thread."""
        with self._lock:
            self._wait = ""
            if progress.number:
                self._observe_candidate(progress)
            elif progress.phase == "base":  # it runs beside the work: what the session does is said by its other phases
                self._base = f"base: {progress.tests or progress.text}"
            else:
                self._phase, self._said = progress.phase, progress.text

    def wait(self, text: str) -> None:
        """Show what a server asked to wait for."""
        with self._lock:
            self._wait = text

    def draw(self) -> Group:
        """The picture as it is now."""
        from rich.console import Group

        with self._lock:
            first = _line(PHASES.get(self._phase, self._phase), "bold")
            spent = sum(row.last.cost_usd for row in self._rows.values())
            models = {row.last.model for row in self._rows.values()}
            model = escape_controls(models.pop(), newlines=False) if len(models) == 1 else ""
            facts = (seconds(self._clock() - self._started), usd(spent) if spent else "", self._title, model)
            first.append("  " + "  ".join(filter(None, (*facts, "Ctrl-C keeps the work"))), style="dim")
            said = "  ".join(filter(None, (self._base, self._wait or self._said)))
            return Group(first, *([_line(said, "dim")] if said else []), *([self._table()] if self._rows else []))

    def _observe_candidate(self, progress: Progress) -> None:
        now = self._clock()
        row = self._rows.setdefault(progress.number, _Row(progress, now, now))
        kept: dict[str, Any] = {
            name: getattr(progress, name) or getattr(row.last, name)
            for name in ("step", "tokens", "cost_usd", "tests", "model")
        }
        row.last, row.heard = replace(progress, **kept), now
        row.ended = now if progress.phase == "done" else 0.0
        self._phase = "work" if self._phase in ("starting", "plan") else self._phase

    def _table(self) -> Table:
        """Columns of numbers keep their width; what is said, and the models where there are several, share the rest."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, expand=True)
        for name in ("#", "phase", "step", "tokens", "cost", "time"):
            table.add_column(
                name, no_wrap=True, min_width=_NUMBERS.get(name), justify="right" if name in _NUMBERS else "left"
            )
        several = len({row.last.model for row in self._rows.values()}) > 1
        if several:
            table.add_column("model", ratio=1)
        table.add_column("now", ratio=3)
        for number, row in sorted(self._rows.items()):
            last = row.last
            table.add_row(
                str(number),
                PHASES.get(last.phase, last.phase),
                str(last.step or ""),
                tokens(last.tokens) if last.tokens else "",
                usd(last.cost_usd) if last.cost_usd else "",
                seconds((row.ended or self._clock()) - row.started),
                *([_line(last.model.rpartition("/")[2])] if several else []),
                self._now(row),
            )
        return table

    def _now(self, row: _Row) -> Text:
        """What a candidate does, or what its tests said once it has worked."""
        last, silent = row.last, self._clock() - row.heard
        if last.phase != "work" and last.tests:
            return _line(last.tests, "green" if last.tests.startswith("pass") else "red")
        if last.phase == "work" and silent > _QUIET_S:
            return _line(f"waits {seconds(silent)} for the model" + (f" · {last.text}" if last.text else ""), "dim")
        return _line(last.text, "dim")


def _line(text: str, style: str = "") -> Text:
    """One line of text from outside, cut where the room ends."""
    from rich.text import Text

    return Text(escape_controls(text, newlines=False), style=style, no_wrap=True, overflow="ellipsis")


@contextlib.contextmanager
def _forward_waits(on_wait: Callable[[str], None]) -> Iterator[None]:
    """Pass on what the model client logs before it waits: a rate limit, a server that is overloaded."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            on_wait(record.getMessage())

    logger, handler = logging.getLogger("gitmimo.llm.model"), Handler(logging.INFO)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
