"""The live table of candidates: on a terminal a table that moves, elsewhere one line per event that matters."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from gitmimo.cli import render
from gitmimo.format import seconds, tokens, usd

if TYPE_CHECKING:
    from gitmimo.workflow.progress import Observer, Progress

PHASES = {
    "base": "base tests",
    "skill": "skill",
    "plan": "planning",
    "work": "working",
    "test": "testing",
    "review": "review",
    "land": "landing",
    "merge": "merging",
    "dream": "dreaming",
    "done": "done",
}


_NUMBERS = ("#", "step", "tokens", "cost", "time")
_LEAST = {"#": 2, "phase": 10, "step": 4, "tokens": 6, "cost": 7, "time": 5}  # columns that give way to no text


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
    ended: float = 0.0


@contextlib.contextmanager
def watching(*, stream: TextIO, quiet: bool = False) -> Iterator[Observer]:
    """Give an observer that shows what happens, until the block ends."""
    from gitmimo.workflow.progress import unobserved

    if quiet:
        yield unobserved
    elif stream.isatty():
        with _live_table(stream) as observe:
            yield observe
    else:
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
def _live_table(stream: TextIO) -> Iterator[Observer]:
    import time

    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from gitmimo.text import escape_controls

    rows: dict[int, _Row] = {}
    lock = threading.Lock()
    started = time.monotonic()
    session = _Row(phase="starting")

    def draw() -> Group:
        with lock:
            table = Table(box=None, pad_edge=False, expand=False)
            room = console.width - sum(least + 2 for least in _LEAST.values())
            most_tests = min(40, max(8, room // 3))
            for heading, least in {**_LEAST, "tests": 8, "now": 0}.items():
                justify: Literal["left", "right"] = "right" if heading in _NUMBERS else "left"
                table.add_column(heading, no_wrap=True, min_width=least, justify=justify)
            for number, row in sorted(rows.items()):
                clock = (row.ended or time.monotonic()) - row.started
                good = row.tests.startswith("pass")
                style = "green" if good else "red" if row.tests.startswith(("fail", "no ")) else ""
                table.add_row(
                    str(number), PHASES.get(row.phase, row.phase), str(row.step or ""),
                    tokens(row.tokens) if row.tokens else "", usd(row.cost_usd) if row.cost_usd else "",
                    seconds(clock), Text(escape_controls(row.tests, newlines=False)[:most_tests], style=style),
                    Text(escape_controls(row.text, newlines=False)[: min(50, max(0, room - most_tests - 4))],
                         style="dim"),
                )  # fmt: skip
            head = Text(PHASES.get(session.phase, session.phase), style="bold", no_wrap=True, overflow="ellipsis")
            head.append(f"  {seconds(time.monotonic() - started)}", style="dim")
            if session.text or session.tests:
                head.append("  " + escape_controls(session.text or session.tests, newlines=False)[:90], style="dim")
            return Group(head, table) if rows else Group(head)

    def observe(progress: Progress) -> None:
        with lock:
            row = session if not progress.number else rows.setdefault(progress.number, _Row(started=time.monotonic()))
            row.phase = progress.phase
            row.step = progress.step or row.step
            row.tokens = progress.tokens or row.tokens
            row.cost_usd = progress.cost_usd or row.cost_usd
            row.tests = progress.tests or row.tests
            row.model = progress.model or row.model
            row.text = progress.text
            if progress.phase == "done":
                row.ended = time.monotonic()

    console = Console(file=stream, highlight=False, no_color=not render.wants_colour(stream))
    with Live(get_renderable=draw, console=console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=True):
        yield observe
