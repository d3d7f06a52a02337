"""A real terminal that tests type into and read from: tmux, with a server of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pytest

LONG_S = float(os.environ.get("GIT_MIMO_TEST_PATIENCE_S", "120"))  # a session; more on a loaded machine


class Screen:
    """One window. What is asserted is what a person would see in it."""

    def __init__(self, command: Sequence[str], *, cwd: Path, columns: int, rows: int = 36) -> None:
        self._name = f"mimo-test-{os.getpid()}-{id(self)}"
        line = f"exec env -u TMUX {' '.join(command)}; "
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(cwd),
                   f"{line.removeprefix('exec ')}echo exit=$?; exec sleep 600")  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._tmux("kill-server")

    def text(self) -> str:
        """What is to be seen now, without empty lines at the end."""
        return self._tmux("capture-pane", "-p").rstrip()

    def type(self, text: str, *, enter: bool = True) -> None:
        """Type a text as a person does, then press Enter."""
        self._tmux("send-keys", "-l", text)
        if enter:
            self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key by tmux's name for it."""
        self._tmux("send-keys", key)

    def press_until(self, key: str, wanted: str) -> None:
        """Press a key until a text is to be seen: between two prompts a terminal swallows what is pressed."""
        ends = time.monotonic() + LONG_S
        while wanted not in self.text():
            assert time.monotonic() < ends, f"not seen: {wanted}"
            self.press(key)
            time.sleep(1.0)

    def resize(self, columns: int, rows: int = 36) -> None:
        """Change the size of the window, as dragging its edge does."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, *wanted: str | Callable[[str], bool], within_s: float = LONG_S) -> str:
        """Wait until every text is to be seen, and return the screen."""
        ends = time.monotonic() + within_s
        while True:
            seen = self.text()
            if all(part(seen) if callable(part) else part in seen for part in wanted):
                return seen
            if time.monotonic() > ends:
                raise AssertionError(f"not seen: {wanted}\n{'-' * 80}\n{seen}\n{'-' * 80}")
            time.sleep(0.1)

    def clear(self) -> None:
        """Empty the screen, so that what is waited for next is new."""
        self.press("C-l")
        self.wait_for(lambda seen: len([line for line in seen.splitlines() if line.strip()]) <= 2)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", self._name, *arguments], capture_output=True, text=True, check=True)
        return done.stdout


needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no terminal to drive")
