"""Runs the project's pytest with a plugin of ours, as a script of its own: a trace of tests, or trials of small edits.

Standard library and pytest only: it runs with the interpreter of the project under test, and git-mimo reads it as text.
The first argument is an object with the ids of `failing` tests; what follows goes to pytest. Without `edits`, each test
is traced: the lines it ran through, and of failing ones the values. `edits`, as [path, first byte, last byte, text],
are each tried in a forked process for `seconds` in all, failing tests first. No file is written: a process compiles
the edited text where the module would be loaded.
"""

import contextlib
import importlib.machinery
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path.cwd().resolve()
MARK = "@@git-mimo@@"
MOST_EVENTS = 300
MOST_LINES = 20_000
LIMIT_S = 1.5  # of a test that fails: one that hangs must not do so again, and its first lines are enough
LEAST_S = 2.0  # an edit may take this long, or ten times what the tests take without one
NOT_PROJECT = ("/site-packages/", "/.venv/", "/venv/")
SKIPPED = ("/tests/", "/test/", "/node_modules/", *NOT_PROJECT)


def shorten(value: object) -> str:
    """The value as text, cut; objects that say nothing but their address are named by type."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - any class under test may fail here
        return f"<{type(value).__name__}>"
    return text if len(text) <= 60 else f"{text[:45]}...{text[-10:]}"


def path_in_project(filename: str) -> str | None:
    """The path from the project's root, for files that are neither tests nor somebody else's."""
    if not filename.startswith(f"{ROOT}/"):
        return None
    path = filename.removeprefix(f"{ROOT}/")
    name = path.rsplit("/", 1)[-1]
    is_test = name.startswith(("test_", "conftest")) or name.endswith("_test.py")
    return None if is_test or any(part in f"/{path}" for part in SKIPPED) else path


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
        return None if path is None else self.follow(path, frame.f_lineno)

    def follow(self, path: str, line: int) -> Callable[[FrameType, str, Any], Any]:
        """The tracer of one call: it notes each line, and the values that the line before it changed."""
        values: dict[str, str] = {}

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal line
            self.lines.setdefault(path, set()).add(frame.f_lineno)
            if len(self.events) >= MOST_EVENTS:
                return step
            now = {name: shorten(value) for name, value in list(frame.f_locals.items())}
            new = {name: text for name, text in now.items() if values.get(name) != text and not text.startswith("<")}
            values.update(new)
            changed = [f"{name} = {text}" for name, text in new.items()]
            if event == "return":
                changed.append(f"returns {shorten(argument)}")
            elif event == "exception":
                changed.append(f"raises {argument[0].__name__}")
            self.events.append((path, line, ", ".join(changed)))
            line = frame.f_lineno
            return step

        return step

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


class Trials:
    """A pytest plugin that forks when all is set up and nothing collected: each process collects and runs by itself."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.edits: list[list[Any]] = asked["edits"]
        self.failing = set(asked["failing"])
        self.seconds = float(asked["seconds"])
        self.stdout = os.dup(1)
        self.is_child = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """In the first process, try everything and end; in the others, go on with collecting."""
        tried, passed = self.try_all()
        if not self.is_child:
            report = json.dumps({"tried": tried, "passed": sorted(passed)})
            os.write(self.stdout, f"\n{MARK}{report}\n".encode())
            os._exit(0)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put tests that failed before in front, so that an edit that does not fix them is soon known."""
        items.sort(key=lambda item: item.nodeid not in self.failing)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """A forked process ends here: what plugins have to say at the end takes longer than small tests."""
        if self.is_child:
            os._exit(int(exitstatus))

    def try_all(self) -> tuple[int, list[int]]:
        """How many edits were tried, and which passed; returns at once in a forked process."""
        began = time.monotonic()
        pid = self.start(None)
        if self.is_child:
            return 0, []
        status = os.waitpid(pid, 0)[1]
        if os.waitstatus_to_exitcode(status) != 1:  # not just failing tests
            return 0, []
        limit = max(LEAST_S, 10 * (time.monotonic() - began))
        until = began + self.seconds
        running: dict[int, tuple[int, float]] = {}
        waiting = list(enumerate(self.edits))[::-1]
        tried, passed = 0, list[int]()
        while running or (waiting and time.monotonic() < until):
            while waiting and len(running) < (os.cpu_count() or 1) and time.monotonic() < until:
                number, edit = waiting.pop()
                pid = self.start(edit)
                if self.is_child:
                    return 0, []
                running[pid] = (number, time.monotonic() + limit)
            for pid, (number, deadline) in list(running.items()):
                done, status = os.waitpid(pid, os.WNOHANG)
                if not done and time.monotonic() < deadline:
                    continue
                kill(pid)
                if not done:
                    os.waitpid(pid, 0)
                elif os.waitstatus_to_exitcode(status) == 0:
                    passed.append(number)
                tried += 1
                del running[pid]
            time.sleep(0.002)
        return tried, passed

    def start(self, edit: list[Any] | None) -> int:
        """Fork; the new process has the edit in place, and nothing of the project loaded but what set the tests up."""
        pid = os.fork()
        if pid:
            return pid
        self.is_child = True
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        if edit is not None:
            path, start, end, text = edit
            data = (ROOT / path).read_bytes()
            load_edited(ROOT / path, data[:start] + text.encode() + data[end:])
        return 0


def load_edited(path: Path, text: bytes) -> None:
    """Make the module of this file be loaded from the edited text; forget what was loaded of the project."""
    target = str(path.resolve())
    plain = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        if os.path.realpath(self.path) == target:
            return compile(text, self.path, "exec", dont_inherit=True)
        return plain(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        is_own = file.startswith(f"{ROOT}/") and not any(part in file for part in NOT_PROJECT)
        if is_own and not file.endswith("conftest.py"):
            del sys.modules[name]


def kill(pid: int) -> None:
    """End a process and what it started."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            end(pid, signal.SIGKILL)


def main(asked: dict[str, Any], arguments: list[str]) -> None:
    """Run pytest, and print what was found out."""
    if "edits" not in asked:
        collected = Probe(asked["failing"])
        pytest.main(arguments, plugins=[collected])
        sys.stdout.write(f"\n{MARK}{json.dumps(collected.tests)}\n")
        return
    trials = Trials(asked)
    code = 70
    try:
        code = int(pytest.main(["-x", "-q", "-s", "-p", "no:cacheprovider", *arguments], plugins=[trials]))
    finally:
        if trials.is_child:
            os._exit(code)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
