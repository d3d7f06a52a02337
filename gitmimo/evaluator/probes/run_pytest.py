"""Runs git-mimo's own pytest in an interpreter that has none: `python run_pytest.py DIRECTORIES [pytest's arguments]`.

DIRECTORIES, joined as PATH is, hold git-mimo's packages. Only pytest and what it imports are taken from there, and
only where the interpreter has none of its own.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_PACKAGES = {"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"}


class _PytestFinder:
    """Finds the modules of pytest, and nothing else, in some directories."""

    def __init__(self, path: list[str]) -> None:
        self._path = path

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self._path, target) if name in _PACKAGES else None


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 (this file runs in the project's interpreter)
        sys.exit("git-mimo's pytest needs Python 3.11 or newer; install pytest in this environment")
    if sys.path[0] == str(Path(__file__).resolve().parent):  # of this file; PYTHONPATH may name it for a plugin's sake
        del sys.path[0]
    sys.meta_path.append(_PytestFinder(sys.argv.pop(1).split(os.pathsep)))
    import pytest

    sys.exit(pytest.console_main())
