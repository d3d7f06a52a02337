"""Which Python runs a project's tests, and when what is installed there has changed."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from gitmimo.evaluator.python_env import describe_interpreter, find_interpreters


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bare virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "home")], check=True)
    return tmp_path / "home"


def test_another_version_of_something_installed_is_another_description(home: Path) -> None:
    python = home / "bin" / "python"
    (packages,) = home.glob("lib/python*/site-packages")
    bare = describe_interpreter(python)
    assert describe_interpreter(python) == bare
    found = [bare]
    (packages / "thing-1.0.dist-info").mkdir()
    found.append(describe_interpreter(python))
    (packages / "thing-1.0.dist-info").rename(packages / "thing-1.1.dist-info")
    found.append(describe_interpreter(python))
    assert len(set(found)) == len(found)


def test_a_python_is_asked_only_when_those_before_it_did_not_do(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    for name, before in (("python3", ""), ("python", f"touch {asked}\n")):
        (tmp_path / name).write_text(f'#!/bin/sh\n{before}exec {sys.executable} "$@"\n')
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": str(tmp_path)}
    (first,) = islice(find_interpreters(None, environ), 1)
    assert first.path == Path(sys.executable)
    assert first.origin == "`python3` on PATH"
    assert not asked.exists()
    assert {python.path for python in find_interpreters(None, environ)} == {Path(sys.executable)}
    assert asked.exists()
