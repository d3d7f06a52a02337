"""Runs pytest with a tracer and prints, for each test, the lines it ran through; started as a script of its own.

Standard library and pytest only: it runs with the interpreter of the project under test, and git-mimo reads it as text.
"""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOT = f"{Path.cwd()}/"
MOST_EVENTS = 300
MOST_LINES = 20_000
LIMIT_S = 1.5  # of a test that fails: one that hangs must not do so again, and its first lines are enough
SKIPPED = ("/tests/", "/test/", "/site-packages/", "/.venv/", "/venv/", "/node_modules/")


def shorten(value: object) -> str:
    """The value as text, cut; objects that say nothing but their address are named by type."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - any class under test may fail here
        return f"<{type(value).__name__}>"
    return text if len(text) <= 60 else f"{text[:45]}...{text[-10:]}"


def path_in_project(filename: str) -> str | None:
    """The path from the project's root, for files that are neither tests nor somebody else's."""
    if not filename.startswith(ROOT):
        return None
    path = filename[len(ROOT) :]
    name = path.rsplit("/", 1)[-1]
    is_test = name.startswith(("test_", "conftest")) or name.endswith("_test.py")
    return None if is_test or any(part in f"/{path}" for part in SKIPPED) else path


class Walk:
    """Follows one call of a function."""

    def __init__(self, probe: "Probe", path: str, line: int) -> None:
        self.probe = probe
        self.path = path
        self.line = line
        self.values: dict[str, str] = {}

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Note a line, and the values that the line before it changed."""
        probe = self.probe
        probe.lines.setdefault(self.path, set()).add(frame.f_lineno)
        if len(probe.events) < MOST_EVENTS:
            changed = self.changes(frame)
            if event == "return":
                changed.append(f"returns {shorten(argument)}")
            elif event == "exception":
                changed.append(f"raises {argument[0].__name__}")
            probe.events.append((self.path, self.line, ", ".join(changed)))
            self.line = frame.f_lineno
        return self.step

    def changes(self, frame: FrameType) -> list[str]:
        """Names and values that are new since the last look."""
        found = []
        for name, value in list(frame.f_locals.items()):
            text = shorten(value)
            if self.values.get(name) != text and not text.startswith("<"):
                self.values[name] = text
                found.append(f"{name} = {text}")
        return found


class TooLong(BaseException):
    """Not an `Exception`, so that code that catches those does not go on."""


def stop(number: int, frame: FrameType | None) -> None:
    """End a test from its signal."""
    raise TooLong


class Probe:
    """A pytest plugin that collects lines and values while a test's own phase runs; `failing` are known to fail."""

    def __init__(self, failing: list[str]) -> None:
        self.failing = failing
        self.tests: dict[str, Any] = {}
        self.lines: dict[str, set[int]] = {}
        self.events: list[tuple[str, int, str]] = []

    def call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Begin to follow a function of the project."""
        path = path_in_project(frame.f_code.co_filename)
        return None if path is None else Walk(self, path, frame.f_lineno).step

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Trace one test."""
        self.lines, self.events = {}, []
        is_limited = item.nodeid in self.failing and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        if is_limited:
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, LIMIT_S, 1.0)
        threading.settrace(self.call)
        sys.settrace(self.call)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)
            if is_limited:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
        covered = {path: sorted(lines)[:MOST_LINES] for path, lines in self.lines.items()}
        self.tests[item.nodeid] = (True, covered, self.events)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended; only here it is known of unittest's test cases too."""
        if report.when == "call" and report.nodeid in self.tests:
            _, covered, events = self.tests[report.nodeid]
            self.tests[report.nodeid] = (not report.failed, covered, events if report.failed else [])


if __name__ == "__main__":
    collected = Probe(json.loads(sys.argv[1]))
    pytest.main(sys.argv[2:], plugins=[collected])
    sys.stdout.write(f"\n@@spectrum@@{json.dumps(collected.tests)}\n")
