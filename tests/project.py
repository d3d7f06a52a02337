"""A small project with a bug, the answers of models that mend it or cheat, and the command line as a function."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import GitBuilder
from tests.forked import Forks
from tests.scripted_server import Answer

BUGGY = '"""Sums."""\n\n\ndef add(a, b):\n    """Return the sum."""\n    return a - b\n'
RIGHT = BUGGY.replace("a - b", "a + b")
WRONG = BUGGY.replace("a - b", "a * b")
TESTS = (
    "from calc import add\n\n\ndef test_sum():\n    assert add(2, 3) == 5\n"
    "    assert [add(1, 1), add(-4, 9), add(20, -7), add(0.5, 2)] == [2, 5, 13, 2.5]\n\n\n"
    "def test_zero():\n    assert add(0, 0) == 0\n"
)
PROJECT = {
    "calc.py": BUGGY,
    "tests/test_calc.py": TESTS,
    # without the plugins that happen to lie beside pytest: they take 0.8 s a run
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = "--disable-plugin-autoload"\n',
}


def writes(files: Mapping[str, str], summary: str = "done") -> Answer:
    """A model's answer that writes whole files and finishes."""
    calls = tuple(("write", json.dumps({"path": path, "content": text})) for path, text in files.items())
    return Answer(tool_calls=(*calls, ("finish", json.dumps({"summary": summary}))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one run of the command line said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


_FORKS = Forks()


def mimo(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "") -> Said:
    """Run the real command line in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory) / name for name in ("in", "out", "err")]
        for file, text in zip(files, (stdin, "", ""), strict=True):
            file.write_text(text)
        inherited = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        code = _FORKS.run(arguments, cwd=cwd, env={**inherited, **(env or {})}, files=files)
        return Said(code=code, out=files[1].read_text(), err=files[2].read_text())


def fingerprint(git: GitBuilder) -> Callable[[], dict[str, str]]:
    """A function that hashes everything of the user's: files, index, HEAD, stash, config, hooks, their branches."""

    def measure() -> dict[str, str]:
        found = {}
        for path in sorted(git.path.rglob("*")):
            relative = path.relative_to(git.path)
            inside_git = relative.parts[0] == ".git"
            kept = relative.as_posix() in (".git/index", ".git/HEAD", ".git/config", ".git/logs/refs/stash")
            if path.is_file() and (not inside_git or kept or relative.parts[1:2] == ("hooks",)):
                found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        found["refs"] = git(
            "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/main", "refs/stash", "refs/tags"
        )
        found["status"] = git("--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=all")
        return found

    return measure
