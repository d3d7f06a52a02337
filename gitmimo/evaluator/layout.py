"""Where a tree keeps its Python packages, and the files that imports need although git ignores them."""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

Read = Callable[[str], bytes | None]

_NOT_PRODUCT = frozenset(
    ["setup", "conftest", "noxfile", "tasks", "fabfile", "docs", "doc", "examples", "example", "tests", "test"]
    + ["testing", "scripts", "benchmarks", "tools"]
)
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_IMPORTABLE = (".py", ".so", ".pyd")
_MOST_IGNORED = 2_000  # files of a package that git ignores; beyond that it is data, not what imports need
_VERSION = """\
__version__ = version = "0.0.0"
__version_tuple__ = version_tuple = (0, 0, 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`roots` are relative directories, `.` for the top; `packages` the importable names found there."""

    roots: tuple[str, ...] = (".",)
    packages: tuple[str, ...] = ()


def find_layout(paths: Iterable[str], read: Read, *, directory: str = "") -> Layout:
    """Read the layout off a tree. Packages without `__init__.py` and names of the standard library are left out.

    `directory` is the project that is tested; its roots come first, then those of the other projects in the tree.
    """
    known = set(paths)
    roots = _roots(known, read, directory)
    names: set[str] = set()
    for root in roots:
        prefix = "" if root == "." else f"{root}/"
        for path in known:
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            if len(parts) == 2 and parts[1] == "__init__.py":
                names.add(parts[0])
            elif len(parts) == 1 and parts[0].endswith(".py") and not parts[0].startswith("test_"):
                names.add(parts[0].removesuffix(".py"))
    usable = {n for n in names if n.isidentifier() and n not in _NOT_PRODUCT and n not in sys.stdlib_module_names}
    return Layout(roots=tuple(roots), packages=tuple(sorted(usable - {"pytest", "_pytest", "pluggy"})))


def generated_files(read: Read) -> tuple[tuple[str, str], ...]:
    """Version files that a build backend would write, each with its path and a text that can be imported."""
    tool = _pyproject(read).get("tool", {})
    hatch = _at(tool, "hatch", "build", "hooks", "vcs", "version-file")
    scm = _at(tool, "setuptools_scm", "version_file") or _at(tool, "setuptools_scm", "write_to")
    pdm = _at(tool, "pdm", "version", "write_to")
    found = [hatch, scm, f"src/{pdm}" if pdm and read(f"src/{PurePosixPath(str(pdm)).parts[0]}/__init__.py") else pdm]
    paths = [str(path) for path in found if path]
    usable = [p for p in paths if p.endswith(".py") and not p.startswith("/") and ".." not in p and read(p) is None]
    return tuple((path, _VERSION) for path in dict.fromkeys(usable))


def ignored_imports(checkout: Path, directory: str, paths: frozenset[str]) -> tuple[str, ...]:
    """Files of the checkout inside packages of the tree that the tree does not have: generated code, built extensions.

    `paths` are the project's files relative to `directory`. What is found was ignored by git or is not added yet; only
    names that Python imports count.
    """
    top = checkout / directory
    packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}
    found: list[str] = []
    for package in sorted(packages):
        for name in _importable(top / package):
            path = f"{package}/{name}"
            if path not in paths:
                found.append(f"{directory}/{path}".lstrip("/"))
    return tuple(found[:_MOST_IGNORED])


def _importable(directory: Path) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return
    for name in names:
        if name.endswith(_IMPORTABLE) and not re.match(r"test_|conftest\.py$", name):
            yield name


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
    setuptools = _at(_pyproject(read), "tool", "setuptools")
    where = _at(setuptools, "packages", "find", "where")
    directories = _at(setuptools, "package-dir")
    found = list(where) if isinstance(where, list) else []
    found += [value for key, value in directories.items() if key == ""] if isinstance(directories, dict) else []
    return [str(root).strip("/") for root in found if root and ".." not in str(root) and not str(root).startswith("/")]


def _pyproject(read: Read) -> dict[str, Any]:
    try:
        return tomllib.loads((read("pyproject.toml") or b"").decode("utf-8", "replace"))
    except tomllib.TOMLDecodeError:
        return {}


def _at(table: Any, *names: str) -> Any:
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table
