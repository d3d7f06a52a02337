"""Where a tree keeps its Python packages: the directories they are imported from, and their names."""

import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_NOT_PRODUCT = frozenset(
    ["setup", "conftest", "noxfile", "tasks", "fabfile", "docs", "doc", "examples", "example", "tests", "test"]
    + ["testing", "scripts", "benchmarks", "tools"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`roots` are relative directories, `.` for the top; `packages` the importable names found there."""

    roots: tuple[str, ...] = (".",)
    packages: tuple[str, ...] = ()


def find_layout(paths: Iterable[str], read: Callable[[str], bytes | None]) -> Layout:
    """Read the layout off a tree. Packages without `__init__.py` and names of the standard library are left out."""
    known = set(paths)
    roots = [root for root in (*_configured_roots(read), "src") if any(path.startswith(f"{root}/") for path in known)]
    roots = list(dict.fromkeys([*roots, "."]))
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


def _configured_roots(read: Callable[[str], bytes | None]) -> list[str]:
    try:
        project: Any = tomllib.loads((read("pyproject.toml") or b"").decode("utf-8", "replace"))
        setuptools = project.get("tool", {}).get("setuptools", {})
        where = setuptools.get("packages", {})
        found = list(where.get("find", {}).get("where", [])) if isinstance(where, dict) else []
        found += [value for key, value in setuptools.get("package-dir", {}).items() if key == ""]
    except (tomllib.TOMLDecodeError, AttributeError):
        return []
    return [str(root).strip("/") for root in found if root and ".." not in str(root) and not str(root).startswith("/")]
