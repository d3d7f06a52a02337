"""Fault localisation: what failing test runs say, and files and functions ranked by it, by names and by imports."""

import ast
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.interface import Workspace
from gitmimo.agent.patch.python_source import Function, find_functions
from gitmimo.agent.shell.execute import failed_ids
from gitmimo.errors import MimoError
from gitmimo.files import is_test_path
from gitmimo.records import CommandResult
from gitmimo.sandbox.files import read_inside

_CODE = re.compile(
    r"\.(py|pyi|js|mjs|cjs|ts|tsx|jsx|go|rs|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|sh|lua|pl|ex|exs)$"
)
_PATH_WORD = re.compile(r"[\w-]+(?:/[\w.-]+)*\.\w{1,5}|[\w-]+(?:/[\w.-]+)+/?")
_NAME = re.compile(
    r"`([A-Za-z_]\w*)(?:\(\))?`|\b([a-z]+(?:_[a-z0-9]+)+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[a-z]\w+(?=\(\)))"
)
_MOST_BYTES = 400_000
_MOST_NAMES = 8  # words of the task that look like names in code
_MOST_WRITTEN = 12_000  # characters of a file that a small model can write out again
_SMALL = 2  # lines: functions this short are at fault less often
_MISCALLED = re.compile(r"\b([A-Za-z_]\w*)\(\) (?:got an|got mult|missing|takes)")  # in a TypeError
_COUNT = re.compile(r"\b(\d+) (passed|failed|errors?)\b")
_NODE_COUNT = re.compile(r"^# (pass|fail) (\d+)$", re.M)
_FRAME = re.compile(r'(?:file://)?([\w./-]+\.\w{1,4})(?:", line |:)\d')
_NOISE = re.compile(
    r"^[=_\-. ]*(?:test session starts|short test summary.*|warnings summary.*)?[=_\-. ]*$"
    r"|^(?:platform|rootdir|plugins|configfile|cachedir)\b"
)
_KEPT = re.compile(
    r"^(?:E\s|>\s|\S+\.\w+:\d+|_{3,} |(?:\w+\.)*\w*(?:Error|Exception)\b"
    r"|\s*(?:assert|expected|actual|got|left|right|panicked))",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestTrace:
    """The trace of one test. `events` are (path, line, values that changed), for failing tests only."""

    __test__ = False

    passed: bool
    lines: Mapping[str, frozenset[int]]  # by path
    events: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """The traces of tests by id."""

    tests: Mapping[str, TestTrace]

    @property
    def failing(self) -> tuple[str, ...]:
        return tuple(name for name, trace in self.tests.items() if not trace.passed)

    def paths(self) -> tuple[str, ...]:
        """Files that failing tests run through, most lines first."""
        counts: dict[str, int] = {}
        for trace in self.tests.values():
            for path, lines in trace.lines.items():
                counts[path] = counts.get(path, 0) + (0 if trace.passed else len(lines))
        return tuple(sorted((p for p, n in counts.items() if n), key=lambda p: -counts[p]))

    def suspicious_lines(self, path: str) -> dict[int, float]:
        """0 to 1 for each line: how much failing tests run through it, and passing ones do not (Ochiai)."""
        lines = {line for trace in self.tests.values() if not trace.passed for line in trace.lines.get(path, ())}
        return {line: self.suspicion(path, line, line) for line in lines}

    def suspicion(self, path: str, first: int, last: int) -> float:
        """The same for a range of lines."""
        failed = [trace for trace in self.tests.values() if not trace.passed]
        span = range(first, last + 1)
        through = [trace for trace in self.tests.values() if not trace.lines.get(path, frozenset()).isdisjoint(span)]
        hits = sum(not trace.passed for trace in through)
        return hits / math.sqrt(len(failed) * len(through)) if hits else 0.0

    def walk(self, path: str, first: int, last: int, *, limit: int = 24) -> tuple[tuple[int, str], ...]:
        """(line, values) of the first failing test's way through a range of lines."""
        for trace in self.tests.values():
            found = [(line, values) for at, line, values in trace.events if at == path and first <= line <= last]
            if found:
                return tuple(found[:limit])
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A location to change: a file with its text, and the function in it, if it is known."""

    path: str
    text: str
    function: Function | None = None
    weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The score of a test run; a better run is greater."""

    passed: int
    failed: int
    exit_code: int

    @property
    def is_pass(self) -> bool:
        return self.exit_code == 0

    def is_better(self, other: "Score") -> bool:
        """A pass is always good enough; else more tests pass and none fewer."""
        return self.is_pass or (not other.is_pass and self.passed > other.passed and self.failed <= other.failed)


def score_of(result: CommandResult) -> Score:
    """Count what a test run's summary says; without one only the exit code counts."""
    last = next((found for line in reversed(result.output.splitlines()) if (found := _COUNT.findall(line))), None)
    counts = Counter[bool]()
    for number, word in last or [(number, word) for word, number in _NODE_COUNT.findall(result.output)]:
        counts[word.startswith("pass")] += int(number)
    return Score(passed=counts[True], failed=counts[False], exit_code=result.exit_code or int(result.timed_out))


def find_files(workspace: Workspace, *, task: str, output: str, spectrum: Spectrum | None) -> tuple[str, ...]:
    """Files worth changing, best first: executed by failing tests, in tracebacks, named by the task, imported."""
    root = workspace.root
    scores: dict[str, float] = {}

    def add(paths: Iterable[str], points: float) -> None:
        for path in paths:
            if not is_test_path(path) and (root / path).is_file():
                scores[path] = scores.get(path, 0.0) + points

    frames = files_in(output, root)
    add(frames, 4.0)
    add(frames[-1:], 2.0)
    if spectrum is not None:
        add(spectrum.paths(), 3.0)
        add(spectrum.paths()[:1], 1.0)
    tests = dict.fromkeys([*(name.partition("::")[0] for name in failed_ids(output)), *filter(is_test_path, frames)])
    for test in tests:
        imported = imports_of(root, test)
        add(imported, 2.0)
        packages = [path for path in imported if path.endswith("__init__.py")]
        add((path for package in packages for path in imports_of(root, package)), 1.0)  # what they hand on
    for name in dict.fromkeys(_MISCALLED.findall(output)):
        add(_grep(workspace, f"def {name}"), 3.0)
    add(_named_paths(root, task), 5.0)
    names = dict.fromkeys(match[1] or match[2] for match in _NAME.finditer(task))
    for name in [name for name in names if len(name) > 2][:_MOST_NAMES]:
        hits = _grep(workspace, name)
        add(hits, 2.0 / max(1, len(hits)) + 0.5)
    scores = {path: points - (3.0 if path.endswith("__init__.py") else 0.0) for path, points in scores.items()}
    return tuple(sorted(scores, key=lambda path: (-scores[path], len(path), path)))


def find_sites(
    root: Path, paths: Iterable[str], *, task: str, tests: str, spectrum: Spectrum | None
) -> tuple[Site, ...]:
    """Functions worth changing, best first; whole files where functions are not known."""
    sites: list[Site] = []
    for rank, path in enumerate(paths):
        text = read_text(root, path)
        if text is None:
            continue
        found = [
            _weighed(path, text, function, task=task, tests=tests, spectrum=spectrum)
            for function in find_functions(path, text)
            if function.head_end < function.last
        ]
        reached = [site for site in found if site.weight > 0.0]
        sites += reached or [Site(path=path, text=text, weight=0.1 / (1 + rank))]
    writable = [site for site in sites if site.function or len(site.text) <= _MOST_WRITTEN]
    return tuple(sorted(writable or sites, key=lambda site: -site.weight))


def read_text(root: Path, path: str) -> str | None:
    """A text file of bearable size, or None."""
    try:
        data = read_inside(root, path, most_bytes=_MOST_BYTES)
        return None if data is None or b"\0" in data else data.decode()
    except (MimoError, UnicodeDecodeError):
        return None


def _weighed(path: str, text: str, function: Function, *, task: str, tests: str, spectrum: Spectrum | None) -> Site:
    """A function's weight: executed by failing tests, named in the task or the test, long enough to be wrong.

    Names weigh little: tasks and tests name the entry point, and the fault is often in what it calls.
    """
    word = re.compile(rf"\b{re.escape(function.short)}\b")
    named = 0.3 * bool(word.search(task)) + 0.15 * bool(word.search(tests))
    if spectrum is None:
        weight = named
    else:
        suspicion = spectrum.suspicion(path, function.head_end + 1, function.last)
        weight = suspicion + named if suspicion else 0.0
    if weight and function.last - function.head_end <= _SMALL - 1:
        weight *= 0.8
    if weight and function.short.startswith("__"):
        weight *= 0.6
    return Site(path=path, text=text, function=function, weight=weight)


def _named_paths(root: Path, task: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for match in _PATH_WORD.finditer(task):
        word = match[0].strip("./")
        path = root / word
        if ".." in word or not word:
            continue
        if path.is_file():
            found.setdefault(word)
        elif path.is_dir():
            inside = sorted(str(p.relative_to(root)) for p in path.iterdir() if p.is_file() and _CODE.search(p.name))
            found |= dict.fromkeys(inside[:20])
    return tuple(found)


def _grep(workspace: Workspace, name: str) -> tuple[str, ...]:
    """Code files that contain a word, those that define it first."""
    result = workspace.run(f"git grep -l -I -w -F -e {shlex.quote(name)} -- .", timeout_s=20.0)
    if result.exit_code != 0:
        return ()
    return tuple(path for path in result.output.splitlines() if _CODE.search(path) and not is_test_path(path))[:12]


def files_in(output: str, root: Path) -> tuple[str, ...]:
    """Files of the project that tracebacks in an output name, in order."""
    found: dict[str, None] = {}
    for name in _FRAME.findall(output):
        path = name.removeprefix(f"{root}/").removeprefix("./")
        if not path.startswith("/") and ".." not in path and (root / path).is_file():
            found.setdefault(path)
    return tuple(found)


def trim_output(output: str, *, most_lines: int = 24, width: int = 160) -> str:
    """Assertions, errors and frames; the last lines where there is nothing of the kind."""
    lines = [line.rstrip()[:width] for line in output.splitlines() if not _NOISE.match(line)]
    kept = list(dict.fromkeys(line for line in lines if _KEPT.match(line)))
    return "\n".join(kept[:most_lines] if kept else lines[-most_lines:])


def failing_sources(root: Path, names: Sequence[str], *, most: int = 2, longest: int = 30) -> str:
    """The source of failing Python tests, without the decorators' long tables."""
    found: dict[str, None] = {}
    for name in names:
        path, _, rest = name.partition("::")
        wanted = re.sub(r"\[.*", "", rest).replace("::", ".")
        text = read_text(root, path) or ""
        for function in find_functions(path, text):
            if function.name == wanted:
                last = min(function.last, function.first + longest - 1)
                found.setdefault("\n".join(text.split("\n")[function.first - 1 : last]).rstrip())
    return "\n\n".join(list(found)[:most])


def imports_of(root: Path, path: str) -> tuple[str, ...]:
    """Files of the project that a Python file imports."""
    try:
        tree = ast.parse(read_text(root, path) or "")
    except (SyntaxError, ValueError):
        return ()
    stems: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            stems += [alias.name.replace(".", "/") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = Path(path).parents
            near = parents[min(node.level, len(parents)) - 1].as_posix() if node.level else "."
            start = "" if near == "." else f"{near}/"
            module = start + (node.module or "").replace(".", "/")
            stems += [module, *(f"{module.rstrip('/')}/{alias.name}" for alias in node.names)]
    found: dict[str, None] = {}
    for stem in stems:
        for candidate in (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py"):
            if (root / candidate).is_file():
                found.setdefault(candidate)
    return tuple(found)
