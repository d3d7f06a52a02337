"""The Python that a project's tests run with, and where a tree keeps the packages that they import."""

import ast
import contextlib
import hashlib
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.supervise import run_process

_VENVS = (".venv", "venv", "env")
_TASK_VENVS = (".tox", ".nox")  # one directory for each task; only those with a test runner are of use
_MANAGERS = (
    # the table of pyproject.toml that says so, the program, and how it names the environment's directory
    ("poetry", ("poetry", "env", "info", "--path"), "poetry's environment"),
    ("hatch", ("hatch", "env", "find", "default"), "hatch's environment"),
    ("pdm", ("pdm", "info", "--python"), "pdm's environment"),
)
_DESCRIBE = """import os, sys
print(sys.implementation.name, sys.version)
found = set()
for directory in filter(os.path.isdir, sys.path[1:]):
    for name in os.listdir(directory):
        if name.endswith(('.dist-info', '.egg-info', '.egg')):
            found.add(name)
print(sorted(found))"""
Read = Callable[[str], bytes | None]  # a path of a tree -> the file's content
_NOT_PRODUCT = frozenset(
    ["setup", "conftest", "noxfile", "tasks", "fabfile", "docs", "doc", "examples", "example", "tests", "test"]
    + ["testing", "scripts", "benchmarks", "tools", "pytest", "_pytest", "pluggy"]
)
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_IMPORTED = re.compile(r"([^/]+)/__init__\.py|(?!test_)([^/]+)\.py")  # a package or a module, by its name
_IMPORTABLE = (".py", ".so", ".pyd")
_MOST_IGNORED = 2_000  # files of a package that git ignores; beyond that it is data, not what imports need
_VERSION = """\
__version__ = version = "0.0.0"
__version_tuple__ = version_tuple = (0, 0, 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python, and where it was found."""

    path: Path
    origin: str
    is_project: bool = True  # made for this project, so it wins also when it has no test runner


def find_interpreters(
    checkout: Path | None, environ: Mapping[str, str], *, directory: str = ""
) -> Iterator[Interpreter]:
    """The Pythons a project may mean, best first: its own environment, the active one, PATH, ours.

    `directory` is the project's in the checkout; its environment comes before one at the top. Each interpreter is
    asked who it is only when the one before it did not do.
    """
    homes = []
    tops = list(dict.fromkeys([checkout / directory, checkout])) if checkout else []
    for top in tops:
        shown = f"{top.relative_to(checkout)}/" if checkout and top != checkout else ""
        homes += [(top / name, f"the project's `{shown}{name}`") for name in _VENVS]
    if environ.get("VIRTUAL_ENV"):
        homes.append((Path(environ["VIRTUAL_ENV"]), "the active virtual environment"))
    for home, origin in homes:
        if python := _python_of(home):
            yield Interpreter(path=python, origin=origin)
    for top in tops:
        yield from _managed_environments(top, environ)
        for home in sorted(path.parent for name in _TASK_VENVS for path in (top / name).glob("*/pyvenv.cfg")):
            if (python := _python_of(home)) and has_module(python, "pytest"):
                yield Interpreter(path=python, origin=f"the project's `{home.relative_to(top)}`")
    for name in ("python3", "python"):
        where = shutil.which(name, path=environ.get("PATH"))
        if where and (real := _ask(Path(where), "import sys; print(sys.executable)")):
            yield Interpreter(path=Path(real), origin=f"`{name}` on PATH", is_project=False)
    yield Interpreter(path=Path(sys.executable), origin="the Python that runs git-mimo", is_project=False)


def _python_of(home: Path) -> Path | None:
    python = home / "bin" / "python"
    return python.absolute() if (home / "pyvenv.cfg").is_file() and python.exists() else None


def _managed_environments(top: Path, environ: Mapping[str, str]) -> Iterator[Interpreter]:
    """Environments that a manager keeps outside of the project; it is asked only where the project names it."""
    path = top / "pyproject.toml"
    project = read_pyproject(lambda _: path.read_bytes() if path.is_file() else None)
    backend = str(table_at(project, "build-system", "build-backend") or "")
    for name, argv, origin in _MANAGERS:
        program = shutil.which(argv[0], path=environ.get("PATH"))
        if program is None or not (table_at(project, "tool", name) or backend.startswith(name)):
            continue
        said = _run((program, *argv[1:]), cwd=top, env=environ).splitlines()
        place = next((Path(line.strip()) for line in reversed(said) if line.strip().startswith("/")), None)
        if place and (python := _python_of(place if place.is_dir() else place.parent.parent)):
            yield Interpreter(path=python, origin=origin)


def has_module(python: Path, name: str) -> bool:
    """Whether an interpreter could import a module, asked away from any project."""
    said = _ask(python, f"import importlib.util; print(importlib.util.find_spec({name!r}) is not None)")
    return said.endswith("True")


def venv_programs(checkout: Path | None, words: Sequence[str], environ: Mapping[str, str]) -> Path | None:
    """The project's own directory of programs, if a command's first word is found there and not on PATH."""
    for programs in ((checkout / name / "bin").absolute() for name in _VENVS) if checkout else ():
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
    env = {"HOME": str(Path.home()), "PATH": "/usr/bin:/bin"}
    return _run((str(python), "-c", code), cwd=Path("/"), env=env).strip()


def _run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
    """What a program says; nothing where it fails."""
    try:
        spec = CommandSpec(command=argv, work_tree=cwd, limits=Limits(timeout_s=30))
        done = run_process(argv, spec, cwd=cwd, env=env)
    except CheckError:
        return ""
    return done.output if done.exit_code == 0 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`roots` are relative directories, `.` for the top; `packages` the importable names found there."""

    roots: tuple[str, ...] = (".",)
    packages: tuple[str, ...] = ()

    def module_name(self, path: str) -> str:
        """What a file is imported as: relative to the longest root that holds it."""
        roots = sorted((f"{root}/" for root in self.roots if root != "."), key=len, reverse=True)
        inner = path.removeprefix(next((root for root in roots if path.startswith(root)), ""))
        return inner.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def find_layout(paths: Iterable[str], read: Read, *, directory: str = "") -> Layout:
    """Read the layout off a tree. Packages without `__init__.py` and names of the standard library are left out.

    `directory` is the project that is tested; its roots come first, then those of the other projects in the tree.
    """
    known = set(paths)
    roots = _roots(known, read, directory)
    names: set[str] = set()
    for root in roots:
        prefix = "" if root == "." else f"{root}/"
        inside = (path.removeprefix(prefix) for path in known if path.startswith(prefix))
        names |= {found[1] or found[2] for found in map(_IMPORTED.fullmatch, inside) if found}
    usable = {n for n in names if n.isidentifier() and n not in _NOT_PRODUCT and n not in sys.stdlib_module_names}
    return Layout(roots=tuple(roots), packages=tuple(sorted(usable)))


def generated_files(read: Read) -> tuple[tuple[str, str], ...]:
    """Version files that a build backend would write, each with its path and a text that can be imported."""
    tool = table_at(read_pyproject(read), "tool")
    pdm = str(table_at(tool, "pdm", "version", "write_to") or "")
    in_src = pdm and read(f"src/{PurePosixPath(pdm).parts[0]}/__init__.py") is not None
    scm = table_at(tool, "setuptools_scm")
    found = [
        table_at(tool, "hatch", "build", "hooks", "vcs", "version-file"),
        table_at(scm, "version_file") or table_at(scm, "write_to"),
        f"src/{pdm}" if in_src else pdm,
    ]
    paths = dict.fromkeys(str(path) for path in found if path)
    usable = [p for p in paths if p.endswith(".py") and not p.startswith("/") and ".." not in p and read(p) is None]
    return tuple((path, _VERSION) for path in usable)


def ignored_imports(checkout: Path, directory: str, paths: frozenset[str]) -> tuple[str, ...]:
    """Files of the checkout inside packages of the tree that the tree does not have: generated code, built extensions.

    `paths` are the project's files relative to `directory`. What is found was ignored by git or is not added yet; only
    names that Python imports count.
    """
    top = checkout / directory
    packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}
    found: list[str] = []
    for package in sorted(packages):
        with contextlib.suppress(OSError), os.scandir(top / package) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
            names = [n for n in names if n.endswith(_IMPORTABLE) and not re.match(r"test_|conftest\.py$", n)]
            new = [f"{package}/{name}" for name in names if f"{package}/{name}" not in paths]
            found += [f"{directory}/{path}".lstrip("/") for path in new]
    return tuple(found[:_MOST_IGNORED])


def _roots(known: set[str], read: Read, directory: str) -> list[str]:
    """Import directories, best first: of the tested project, of the top, of the other projects of a workspace."""
    others = sorted({str(PurePosixPath(path).parent) for path in known if PurePosixPath(path).name in _PROJECT_FILES})
    roots: list[str] = []
    for project in dict.fromkeys([directory or ".", ".", *others]):
        prefix = "" if project == "." else f"{project}/"
        configured = _configured_roots(lambda path, prefix=prefix: read(prefix + path))  # type: ignore[misc]
        inside = [f"{prefix}{root}" for root in (*configured, "src")]
        roots += [root for root in inside if any(path.startswith(f"{root}/") for path in known)]
        roots.append(project)
    return list(dict.fromkeys(roots))


def _configured_roots(read: Read) -> list[str]:
    setuptools = table_at(read_pyproject(read), "tool", "setuptools")
    where = table_at(setuptools, "packages", "find", "where")
    found = [*(where if isinstance(where, list) else ()), table_at(setuptools, "package-dir", "")]
    return [str(root).strip("/") for root in found if root and ".." not in str(root) and not str(root).startswith("/")]


def read_pyproject(read: Read) -> dict[str, Any]:
    """The tables of `pyproject.toml`; none where it is missing or cannot be read."""
    try:
        return tomllib.loads((read("pyproject.toml") or b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return {}


def table_at(table: Any, *names: str) -> Any:
    """What nested tables hold under these names, one in the other; None where there is none."""
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def parse_python(source: bytes) -> ast.Module:
    """A file's syntax tree; an empty one for what is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions, methods and classes in order, by qualified name; not those inside functions."""
    for child in node.body:
        if isinstance(child, Definition):
            yield prefix + child.name, child
        if isinstance(child, ast.ClassDef):
            yield from definitions(child, f"{prefix}{child.name}.")


def module_names(path: str) -> tuple[str, ...]:
    """What a file may be imported as: its dotted path, with and without the directories before it."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return tuple(".".join(parts[start:]) for start in range(len(parts)))


def imported_names(source: bytes) -> set[str]:
    """The modules that a file imports, and what it takes from them, as dotted names."""
    found = set()
    for node in ast.walk(parse_python(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            found |= {node.module or "", *(f"{prefix}{alias.name}" for alias in node.names)}
    return found
