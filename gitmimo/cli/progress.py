"""Progress of a session: a live table on a terminal, elsewhere a line for each important event."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from gitmimo.cli import render
from gitmimo.format import seconds, tokens, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    from gitmimo.workflow.progress import Observer, Progress, StopSignal, Watch

PHASES = {
    "base": "base tests",
    "skill": "skill",
    "plan": "planning",
    "work": "working",
    "test": "testing",
    "compare": "comparing",
    "review": "review",
    "land": "landing",
    "merge": "merging",
    "dream": "dreaming",
    "done": "done",
}
_ONE_KEYPRESS_S = 0.5
_NUMBERS = ("#", "step", "tokens", "cost", "time")
_LEAST = {"#": 2, "phase": 10, "step": 4, "tokens": 6, "cost": 7, "time": 5}  # columns that give way to no text
_QUIET_S = 8.0  # without news for so long, what a candidate waits for is said


@dataclass(slots=True)
class _Row:
    model: str = ""
    phase: str = ""
    step: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    tests: str = ""
    text: str = ""
    started: float = 0.0
    heard: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Facts about a session before it begins."""

    session: str = ""
    budget_usd: float | None = None


@contextlib.contextmanager
def running(timeout_s: float, *, quiet: bool = False, heading: Heading | None = None) -> Iterator[Watch]:
    """Show on stderr what happens, and let an interrupt end it orderly, until the block ends."""
    from gitmimo.workflow.progress import StopSignal, Watch

    stop_signal = StopSignal(timeout_s=timeout_s)
    with watching(stream=sys.stderr, quiet=quiet, heading=heading) as observe, signals(stop_signal):
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

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def watching(*, stream: TextIO, quiet: bool = False, heading: Heading | None = None) -> Iterator[Observer]:
    """Give an observer that shows what happens, waits for rate limits included, until the block ends."""
    from gitmimo.workflow.progress import unobserved

    if quiet:
        yield unobserved
    elif stream.isatty():
        with _live(stream, heading or Heading()) as observe:
            yield observe
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


@contextlib.contextmanager
def _live(stream: TextIO, heading: Heading) -> Iterator[Observer]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False, no_color=not render.wants_colour(stream))
    table = LiveTable(console, heading)
    with (
        _forward_waits(table.wait),
        Live(get_renderable=table.draw, console=console, refresh_per_second=4, redirect_stdout=False,
             redirect_stderr=True, transient=True),
    ):  # fmt: skip
        yield table.observe


class LiveTable:
    """The state of a session as a picture: two lines about the session, and a row for each candidate."""

    def __init__(self, console: Console, heading: Heading, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._heading = heading
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._rows: dict[int, _Row] = {}
        self._phase = "starting"
        self._base = ""
        self._remark = ""

    def observe(self, progress: Progress) -> None:
        """Update the state; called from any thread."""
        with self._lock:
            self._remark = ""
            if progress.number:
                self._observe_candidate(progress)
            elif progress.phase == "base":
                # it runs beside the work: what the session does is said by its other phases
                self._base = progress.tests or progress.text
            else:
                self._phase = progress.phase
                self._remark = progress.text if progress.phase != "done" else ""

    def wait(self, text: str) -> None:
        """Show what a server asked to wait for."""
        with self._lock:
            self._remark = text

    def draw(self) -> Group:
        """The picture as it is now."""
        from rich.console import Group

        with self._lock:
            head = self._head()
            return Group(*head, self._table()) if self._rows else Group(*head)

    def _observe_candidate(self, progress: Progress) -> None:
        now = self._clock()
        row = self._rows.setdefault(progress.number, _Row(started=now))
        row.phase, row.text, row.heard = progress.phase, progress.text, now
        row.step = progress.step or row.step
        row.tokens = progress.tokens or row.tokens
        row.cost_usd = progress.cost_usd or row.cost_usd
        row.tests = progress.tests or row.tests
        row.model = progress.model or row.model
        row.ended = now if progress.phase == "done" else 0.0
        self._phase = "work" if self._phase in ("starting", "plan") else self._phase

    def _head(self) -> list[Text]:
        from rich.text import Text

        first = Text(PHASES.get(self._phase, self._phase), style="bold", no_wrap=True, overflow="ellipsis")
        spent = sum(row.cost_usd for row in self._rows.values())
        budget = f" of {usd(self._heading.budget_usd)}" if self._heading.budget_usd is not None else ""
        parts = [seconds(self._clock() - self._started)]
        parts += [f"{usd(spent)}{budget}"] if spent or budget else []
        parts += [f"session {self._heading.session}"] if self._heading.session else []
        first.append("  " + "  ".join([*parts, "Ctrl-C stops and keeps the work"]), style="dim")
        lines = [first]
        if self._base or self._remark:
            base = f"base: {self._base}" if self._base else ""
            lines.append(self._cut("  ".join(part for part in (base, self._remark) if part), "dim"))
        return lines

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, expand=False)
        room = self._console.width - sum(least + 2 for least in _LEAST.values())
        models = {row.model for row in self._rows.values()}
        shows_models = len(models) > 1 or room > 60
        columns = {**_LEAST, **({"model": 8} if shows_models else {}), "tests": 8, "now": 0}
        for name, least in columns.items():
            justify: Literal["left", "right"] = "right" if name in _NUMBERS else "left"
            table.add_column(name, no_wrap=True, min_width=least, justify=justify, overflow="ellipsis")
        widest = 24 if shows_models else 0
        most_tests = min(40, max(8, (room - widest) // 3))
        for number, row in sorted(self._rows.items()):
            style = "green" if row.tests.startswith("pass") else "red" if row.tests[:4] in ("fail", "no p") else ""
            cells: list[str | Text] = [
                str(number), PHASES.get(row.phase, row.phase), str(row.step or ""),
                tokens(row.tokens) if row.tokens else "", usd(row.cost_usd) if row.cost_usd else "",
                seconds((row.ended or self._clock()) - row.started),
            ]  # fmt: skip
            cells += [self._cut(row.model.rpartition("/")[2], "", widest)] if shows_models else []
            cells += [self._cut(row.tests, style, most_tests)]
            table.add_row(*cells, self._cut(self._now(row), "dim", max(0, room - widest - most_tests - 6)))
        return table

    def _now(self, row: _Row) -> str:
        silent = self._clock() - row.heard
        if row.phase == "work" and silent > _QUIET_S:
            return f"waits {seconds(silent)} for the model" + (f" · {row.text}" if row.text else "")
        return row.text

    def _cut(self, text: str, style: str, width: int | None = None) -> Text:
        from rich.text import Text

        from gitmimo.text import escape_controls, one_line

        most = self._console.width if width is None else width
        return Text(one_line(escape_controls(text, newlines=False), most) if most else "", style=style, no_wrap=True)


@contextlib.contextmanager
def _forward_waits(on_wait: Callable[[str], None]) -> Iterator[None]:
    """Pass on what the model client logs before it waits: a rate limit, a server that is overloaded."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            on_wait(record.getMessage())

    logger, handler = logging.getLogger("gitmimo.llm.failures"), Handler()
    logger.addHandler(handler)
    before, logger.propagate = (logger.level, logger.propagate), False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
