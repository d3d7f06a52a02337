"""What people see on terminals of different widths, with and without colours."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.made_session import Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT

ROOT = Path(__file__).parent.parent.parent
TASK = "Mend 加法 in calc.py, which returns the difference of two numbers where it ought to return their sum"


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    git.commit(PROJECT)
    write_journal(git, make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])], task=TASK))
    return git


def _on_terminal(project: GitBuilder, columns: int, *words: str, **variables: str) -> str:
    """Run a command on a terminal of that width and return what it wrote there."""
    child, file = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.chdir(project.path)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
            "GIT_PAGER": "cat",
            "NO_COLOR": "",
            **variables,
        }
        environment.pop("COLUMNS", None)
        os.execvpe(sys.executable, [sys.executable, "-m", "gitmimo", *words], environment)
    written = b""
    while True:
        try:
            written += os.read(file, 65536)
        except OSError:  # the other end is closed
            break
    os.close(file)
    os.waitpid(child, 0)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 100])
def test_lists_fit_the_terminal(project: GitBuilder, columns: int) -> None:
    for words in (("list",), ("status",)):
        shown = _on_terminal(project, columns, *words)
        lines = re.sub(r"\x1b\[\d+m", "", shown).splitlines()
        assert "…" in shown
        for line in lines:
            wide = sum(1 for letter in line if letter in "加法")
            assert len(line) + wide <= columns, (words, line)


def test_colours_follow_git_and_the_environment(project: GitBuilder) -> None:
    assert "\x1b[" in _on_terminal(project, 100, "show")
    assert "\x1b[" not in _on_terminal(project, 100, "show", NO_COLOR="1")
    assert "\x1b[" not in _on_terminal(project, 100, "show", TERM="dumb")
    project("config", "color.ui", "false")
    assert "\x1b[" not in _on_terminal(project, 100, "show")
