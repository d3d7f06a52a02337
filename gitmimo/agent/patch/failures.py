"""Summaries of failing test runs: tests, assertions and frames."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.patch.python_source import find_functions, source_of
from gitmimo.errors import MimoError
from gitmimo.records import CommandResult
from gitmimo.sandbox.files import read_inside

_COUNT = re.compile(r"\b(\d+) (passed|failed|errors?)\b")
_NODE_COUNT = re.compile(r"^# (pass|fail) (\d+)$", re.M)
_FAILED_ID = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.M)
_FRAMES = (
    re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)'),
    re.compile(r"^(?P<path>[\w./-]+\.\w{1,4}):(?P<line>\d+)(?::\d+)?", re.M),
    re.compile(r"(?:at |\(|--> |\s)(?:file://)?(?P<path>[\w./-]+\.\w{1,4}):(?P<line>\d+)(?::\d+)?\)?", re.M),
)
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
class Score:
    """The score of a test run; a better run is greater."""

    passed: int
    failed: int
    exit_code: int

    @property
    def is_pass(self) -> bool:
        return self.exit_code == 0

    def is_better(self, other: "Score") -> bool:
        """More tests pass and none fewer; a pass beats everything."""
        if self.is_pass or other.is_pass:
            return self.is_pass and not other.is_pass
        return self.passed > other.passed and self.failed <= other.failed


def score_of(result: CommandResult) -> Score:
    """Count what a test run's summary says; without one only the exit code counts."""
    counts = {"passed": 0, "failed": 0}
    for line in reversed(result.output.splitlines()):
        found = _COUNT.findall(line)
        if found:
            for number, word in found:
                counts["passed" if word == "passed" else "failed"] += int(number)
            break
    else:
        for word, number in _NODE_COUNT.findall(result.output):
            counts["passed" if word == "pass" else "failed"] += int(number)
    return Score(passed=counts["passed"], failed=counts["failed"], exit_code=result.exit_code or int(result.timed_out))


def frames_of(output: str, root: Path) -> tuple[tuple[str, int], ...]:
    """(path, line) of the frames in an output that lie in the project, in order, without repetition."""
    found: dict[tuple[str, int], None] = {}
    for pattern in _FRAMES:
        for match in pattern.finditer(output):
            path = match["path"].removeprefix(f"{root}/").removeprefix("./")
            if not path.startswith("/") and ".." not in path and (root / path).is_file():
                found.setdefault((path, int(match["line"])))
    return tuple(found)


def failed_ids(output: str) -> tuple[str, ...]:
    """Ids of failing tests, as pytest's summary names them."""
    return tuple(dict.fromkeys(_FAILED_ID.findall(output)))


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
        try:
            text = (read_inside(root, path) or b"").decode(errors="replace")
        except MimoError:
            continue
        for function in find_functions(path, text):
            if function.name == wanted:
                found.setdefault("\n".join(source_of(text, function).split("\n")[:longest]).rstrip())
    return "\n\n".join(list(found)[:most])


def imports_of(root: Path, path: str) -> tuple[str, ...]:
    """Files of the project that a Python file imports."""
    try:
        text = (read_inside(root, path) or b"").decode(errors="replace")
        tree = ast.parse(text)
    except (MimoError, SyntaxError, ValueError):
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found: dict[str, None] = {}
    for name in names:
        stem = name.replace(".", "/")
        for candidate in (f"{stem}.py", f"{stem}/__init__.py", f"src/{stem}.py", f"src/{stem}/__init__.py"):
            if (root / candidate).is_file():
                found.setdefault(candidate)
    return tuple(found)
