"""Real bugs: a release with the bug, the tests that the next release brought for its fix, and the fix itself.

A task is five names and numbers in `tasks.json`: nothing of the projects is kept here. What a tool sees is the older
release with its own tests and, put into them, the functions of the fixing tests. What decides is hidden: all tests and
documentation examples of the newer release that hold when nothing but the changed function is the newer one.
"""

import ast
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.releases import Releases

_FILE = Path(__file__).with_name("tasks.json")
_IDENTITY = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
_IGNORED = "__pycache__/\n*.pyc\n.pytest_cache/\n.hypothesis/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealBug:
    """One task. `tests` are ids of tests of the newer release that fail on the older one and pass with the fix."""

    name: str
    project: str
    before: str  # the version with the bug
    after: str
    path: str  # of the source file, the same in both
    function: str  # qualified name of what the fix changes
    tests: tuple[str, ...]

    @property
    def test_files(self) -> tuple[str, ...]:
        """Files of the fixing tests."""
        return tuple(dict.fromkeys(test.partition("::")[0] for test in self.tests))

    @property
    def text(self) -> str:
        """What a user would write."""
        names = ", ".join(test.partition("[")[0] for test in self.tests[:3])
        more = f" and {len(self.tests) - 3} more" if len(self.tests) > 3 else ""
        which = "a test fails" if len(self.tests) == 1 else "some tests fail"
        return f"Bug: {which}: {names}{more}. Find the mistake in the code and fix it; the tests are right."


def load_tasks(names: tuple[str, ...] = ()) -> list[RealBug]:
    """All tasks, or those whose name begins with one of these; ValueError when there is none."""
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    tasks = [RealBug(**{**each, "tests": tuple(each["tests"])}) for each in told]
    chosen = [task for task in tasks if not names or task.name.startswith(names)]
    if not chosen:
        raise ValueError(f"no task named like {', '.join(names)}")
    return chosen


def set_up(task: RealBug, releases: Releases, directory: Path) -> Path:
    """A repository with the older release and the fixing tests as its only commit."""
    copy_tree(releases.source(task.project, task.before), directory)
    newer = releases.source(task.project, task.after)
    for path in task.test_files:
        wanted = [test.partition("[")[0].split("::")[1:] for test in task.tests if test.startswith(f"{path}::")]
        old = (directory / path).read_text(encoding="utf-8") if (directory / path).exists() else ""
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        text = with_tests(old, (newer / path).read_text(encoding="utf-8"), wanted)
        (directory / path).write_text(text, encoding="utf-8")
    (directory / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    git = ["git", "-C", str(directory), *_IDENTITY]
    for args in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "base"]):
        subprocess.run([*git, *args], check=True, capture_output=True)
    return directory


def with_fix(task: RealBug, releases: Releases, directory: Path) -> Path:
    """The older release with the function of the newer one: what every answer is measured against."""
    copy_tree(releases.source(task.project, task.before), directory)
    newer = (releases.source(task.project, task.after) / task.path).read_text(encoding="utf-8")
    old = (directory / task.path).read_text(encoding="utf-8")
    (directory / task.path).write_text(with_function(old, newer, task.function), encoding="utf-8")
    return directory


def with_function(old: str, newer: str, name: str) -> str:
    """The old text with one function of the newer, found by its qualified name; ValueError when one has none."""
    mine, theirs = _span(old, name), _span(newer, name)
    lines, new = old.splitlines(keepends=True), newer.splitlines(keepends=True)
    return "".join([*lines[: mine[0]], *new[theirs[0] : theirs[1]], *lines[mine[1] :]])


def with_tests(old: str, newer: str, wanted: list[list[str]]) -> str:
    """The old test file with some tests of the newer one, which replace those of the same name.

    A test in a class that the old file has is put at that class's end; other classes come whole.
    """
    if not old:
        return newer
    text = old
    for names in wanted:
        name = ".".join(names)
        try:
            text = with_function(text, newer, name)
            continue
        except ValueError:
            pass
        start, end = _span(newer, name)
        lines = "".join(newer.splitlines(keepends=True)[start:end])
        if len(names) > 1:
            try:
                _, place = _span(text, names[0])
            except ValueError:
                start, end = _span(newer, names[0])
                text += "\n\n" + "".join(newer.splitlines(keepends=True)[start:end])
                continue
            kept = text.splitlines(keepends=True)
            text = "".join([*kept[:place], "\n", lines, *kept[place:]])
        else:
            text += "\n\n" + lines
    return _with_imports(text, newer)


def doctest_paths(task: RealBug, directory: Path) -> list[str]:
    """The source file, where it has examples."""
    text = (directory / task.path).read_text(encoding="utf-8")
    return [task.path] if ">>>" in text else []


def _with_imports(text: str, newer: str) -> str:
    """What the newer file imports and the old one does not, put before the first class or function."""
    known = {ast.unparse(node) for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom))}
    nodes = [node for node in ast.parse(newer).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    missing = [
        ast.unparse(node)
        for node in nodes
        if ast.unparse(node) not in known and getattr(node, "module", "") != "__future__"
    ]
    if not missing:
        return text
    lines = text.splitlines(keepends=True)
    body = ast.parse(text).body
    first = next((n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef, ast.Assign))), None)
    place = (
        (min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))]) - 1) if first else len(lines)
    )
    guarded = [f"try:\n    {line}\nexcept ImportError:\n    pass\n" for line in missing]
    return "".join([*lines[:place], *guarded, "\n\n", *lines[place:]])


def _span(text: str, name: str) -> tuple[int, int]:
    """First line and the one after the last, counted from 0, of a function or class."""
    body: list[ast.stmt] = ast.parse(text).body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((node for node in _definitions(body) if node.name == part), None)
        if found is None:
            raise ValueError(f"no {name} here")
        body = found.body
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return first - 1, found.end_lineno or first


def _definitions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in reversed(body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node


def copy_tree(source: Path, directory: Path) -> Path:
    """A fresh copy of a release."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return directory
