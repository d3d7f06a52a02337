"""Finding the Python that a project's tests run with, and asking it questions without running project code."""

import hashlib
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.policy import interpreter_places
from gitmimo.sandbox.supervise import run_process

_VENVS = (".venv", "venv", "env")
_TASK_VENVS = (".tox", ".nox")  # one directory for each task; only those with a test runner are of use
_MANAGERS = (
    # the table of pyproject.toml that says so, the program, and how it names the environment's directory
    ("poetry", ("poetry", "env", "info", "--path"), "poetry's environment"),
    ("hatch", ("hatch", "env", "find", "default"), "hatch's environment"),
    ("pdm", ("pdm", "info", "--python"), "pdm's environment"),
)
_HAS = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec(sys.argv[1]) else 3)"
_DESCRIBE = """import os, sys
print(sys.implementation.name, sys.version)
found = set()
for directory in filter(os.path.isdir, sys.path[1:]):
    for name in os.listdir(directory):
        about = os.path.join(directory, name, 'PKG-INFO')
        if name.endswith(('.dist-info', '.egg-info', '.egg')):
            found.add(name)
        if name.endswith('.egg-info') and os.path.isfile(about):  # a development install: its name has no version
            found.add(open(about, encoding='utf-8', errors='replace').read())
print(sorted(found))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python, where it was found, and what must be readable for it to run."""

    path: Path
    origin: str
    readable: tuple[Path, ...] = ()
    is_project: bool = False  # made for this project, so it wins also when it has no test runner


def find_interpreters(
    checkout: Path | None, environ: Mapping[str, str], *, directory: str = ""
) -> Iterator[Interpreter]:
    """The Pythons a project may mean, best first: its own environment, the active one, PATH, ours.

    `directory` is the project's in the checkout; its environment comes before one at the top. Each interpreter is
    asked who it is only when the one before it did not do.
    """
    seen = set()
    for path, origin, is_project in _candidates(checkout, environ, directory):
        if path not in seen:
            seen.add(path)
            readable = tuple(interpreter_places(path))
            yield Interpreter(path=path, origin=origin, readable=readable, is_project=is_project)


def _candidates(checkout: Path | None, environ: Mapping[str, str], directory: str) -> Iterator[tuple[Path, str, bool]]:
    homes = []
    tops = list(dict.fromkeys([checkout / directory, checkout])) if checkout else []
    for top in tops:
        shown = f"{top.relative_to(checkout)}/" if checkout and top != checkout else ""
        homes += [(top / name, f"the project's `{shown}{name}`") for name in _VENVS]
    if environ.get("VIRTUAL_ENV"):
        homes.append((Path(environ["VIRTUAL_ENV"]), "the active virtual environment"))
    for home, origin in homes:
        if python := _python_of(home):
            yield python, origin, True
    for top in tops:
        yield from _managed_environments(top, environ)
        for name in _TASK_VENVS:
            for home in sorted((top / name).glob("*/pyvenv.cfg")):
                python = _python_of(home.parent)
                if python and has_module(python, "pytest"):
                    yield python, f"the project's `{name}/{home.parent.name}`", True
    for name in ("python3", "python"):
        where = shutil.which(name, path=environ.get("PATH"))
        if where and (real := _ask(Path(where), "import sys; print(sys.executable)")):
            yield Path(real), f"`{name}` on PATH", False
    yield Path(sys.executable), "the Python that runs git-mimo", False


def _python_of(home: Path) -> Path | None:
    python = home / "bin" / "python"
    return python.absolute() if (home / "pyvenv.cfg").is_file() and python.exists() else None


def _managed_environments(top: Path, environ: Mapping[str, str]) -> Iterator[tuple[Path, str, bool]]:
    """Environments that a manager keeps outside of the project; it is asked only where the project names it."""
    try:
        project = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    tools = project.get("tool", {})
    backend = str(project.get("build-system", {}).get("build-backend", ""))
    for name, argv, origin in _MANAGERS:
        program = shutil.which(argv[0], path=environ.get("PATH"))
        if program is None or not (name in tools or backend.startswith(name)):
            continue
        answer = _run_manager((program, *argv[1:]), top, environ)
        place = Path(answer) if answer else None
        if place and (python := _python_of(place if place.is_dir() else place.parent.parent)):
            yield python, origin, True


def _run_manager(argv: Sequence[str], top: Path, environ: Mapping[str, str]) -> str:
    try:
        done = run_process(argv, command=" ".join(argv[:2]), cwd=top, env=dict(environ), limits=Limits(timeout_s=20))
    except CheckError:
        return ""
    lines = [line.strip() for line in done.output.splitlines() if line.strip().startswith("/")]
    return lines[-1] if done.exit_code == 0 and lines else ""


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
    text = _ask(python, _DESCRIBE) or str(python)
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
