"""Finding the Python that a project's tests run with, and asking it questions without running project code."""

import hashlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.policy import interpreter_places
from gitmimo.sandbox.supervise import run_process

_VENVS = (".venv", "venv", "env")
_HAS = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec(sys.argv[1]) else 3)"
_WHO = """import os, sys
print(sys.implementation.name, sys.version)
found = set()
for place in filter(os.path.isdir, sys.path[1:]):
    for name in os.listdir(place):
        about = os.path.join(place, name, 'PKG-INFO')
        if name.endswith(('.dist-info', '.egg-info', '.egg')):
            found.add(name)
        if name.endswith('.egg-info') and os.path.isfile(about):  # of a development install: its name has no version
            found.add(open(about, encoding='utf-8', errors='replace').read())
print(sorted(found))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python, where it was found, and what must be readable for it to run."""

    path: Path
    origin: str
    readable: tuple[Path, ...] = ()


def find_interpreters(checkout: Path | None, environ: Mapping[str, str]) -> Iterator[Interpreter]:
    """The Pythons a project may mean, best first: its own environment, the active one, PATH, ours.

    Each is asked who it is only when the one before it did not do.
    """
    seen = set()
    for path, origin in _places(checkout, environ):
        if path not in seen:
            seen.add(path)
            yield Interpreter(path=path, origin=origin, readable=tuple(interpreter_places(path)))


def _places(checkout: Path | None, environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    homes = [(checkout / name, f"the project's `{name}`") for name in _VENVS] if checkout else []
    if environ.get("VIRTUAL_ENV"):
        homes.append((Path(environ["VIRTUAL_ENV"]), "the active virtual environment"))
    for home, origin in homes:
        python = home / "bin" / "python"
        if (home / "pyvenv.cfg").is_file() and python.exists():
            yield python.absolute(), origin
    for name in ("python3", "python"):
        where = shutil.which(name, path=environ.get("PATH"))
        if where and (real := _ask(Path(where), "import sys; print(sys.executable)")):
            yield Path(real), f"`{name}` on PATH"
    yield Path(sys.executable), "the Python that runs git-mimo"


def has_module(python: Path, name: str) -> bool:
    """Whether an interpreter could import a module, asked away from any project."""
    try:
        result = run_process(
            [str(python), "-c", _HAS, name],
            command="find module",
            cwd=Path("/"),
            env={"HOME": str(Path.home())},
            limits=Limits(timeout_s=30),
        )
    except CheckError:
        return False
    return result.exit_code == 0


def venv_programs(checkout: Path | None, words: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    """The project's own directory of programs, when a given command's first word lies there and not on PATH."""
    for name in _VENVS if checkout else ():
        assert checkout
        programs = (checkout / name / "bin").absolute()
        word = next((w for w in words if (programs / w).is_file()), None)
        if word and shutil.which(word, path=environ.get("PATH")) is None:
            return programs
    return None


def describe_interpreter(python: Path) -> str:
    """A hash over version and installed distributions: it changes when results might.

    Their directories' names say which they are; to read each one's metadata takes five times as long.
    """
    text = _ask(python, _WHO) or str(python)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ask(python: Path, code: str) -> str:
    try:
        result = run_process(
            [str(python), "-c", code],
            command="ask python",
            cwd=Path("/"),
            env={"HOME": str(Path.home()), "PATH": "/usr/bin:/bin"},
            limits=Limits(timeout_s=30),
        )
    except CheckError:
        return ""
    return result.output.strip() if result.exit_code == 0 else ""
