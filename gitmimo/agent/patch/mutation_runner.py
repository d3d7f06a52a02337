"""Tries small edits of a project against its tests, each in a forked process; started as a script of its own.

Standard library and pytest only: it runs with the interpreter of the project under test, and git-mimo reads it as text.
No file is written: a process compiles the edited text where the module would be loaded. The first argument is an
object: `edits` as [path, first byte, last byte, text], ids of `failing` tests, which run first, and `seconds` for all;
what follows goes to pytest.
"""

import contextlib
import importlib.machinery
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

ROOT = Path.cwd().resolve()
LEAST_S = 2.0  # an edit may take this long, or ten times what the tests take without one
NOT_PROJECT = ("/site-packages/", "/.venv/", "/venv/")


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
            os.write(self.stdout, f"\n@@edits@@{report}\n".encode())
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


if __name__ == "__main__":
    trials = Trials(json.loads(sys.argv[1]))
    code = 70
    try:
        code = int(pytest.main(["-x", "-q", "-s", "-p", "no:cacheprovider", *sys.argv[2:]], plugins=[trials]))
    finally:
        if trials.is_child:
            os._exit(code)
