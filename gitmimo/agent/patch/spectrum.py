"""Spectrum-based fault localisation: which lines the failing tests execute, found by tracing them.

Works for projects that test with pytest. Tests run once more, in the candidate's sandbox, with a tracer that notes the
lines of each test and the values of the failing ones. Otherwise the answer is None.
"""

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.agent.interface import Workspace

_MARK = "@@spectrum@@"
_PYTEST = re.compile(
    r"^(?P<env>(?:\w+=\S+\s+)*)(?:(?P<python>\S*python[\d.]*)\s+-m\s+)?(?:\S*/)?(?:pytest|py\.test)\b(?P<rest>[^;&|<>]*)$"
)
_TAKES_A_VALUE = re.compile(r"-[cpkmoWr]|--(?:rootdir|confcutdir|ignore|import-mode|tb)")
_MOST_LIMITED = 300  # tests that are stopped after a moment: an argument has at most 128 KiB
_PROBE = Path(__file__).with_name("trace_plugin.py")


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

    def suspicion(self, path: str, first: int, last: int) -> float:
        """0 to 1 for a range of lines: how much failing tests run through it, and passing ones do not (Ochiai)."""
        failed = [trace for trace in self.tests.values() if not trace.passed]
        through = [trace for trace in self.tests.values() if any(first <= n <= last for n in trace.lines.get(path, ()))]
        hits = sum(not trace.passed for trace in through)
        return hits / math.sqrt(len(failed) * len(through)) if hits else 0.0

    def suspicious_lines(self, path: str) -> dict[int, float]:
        """The same for each line of a file that a failing test runs through."""
        failed = sum(not trace.passed for trace in self.tests.values())
        through, hits = Counter[int](), Counter[int]()
        for trace in self.tests.values():
            lines = trace.lines.get(path, frozenset())
            through.update(lines)
            if not trace.passed:
                hits.update(lines)
        return {line: count / math.sqrt(failed * through[line]) for line, count in hits.items()}

    def walk(self, path: str, first: int, last: int, *, limit: int = 24) -> tuple[tuple[int, str], ...]:
        """(line, values) of the first failing test's way through a range of lines."""
        for trace in self.tests.values():
            found = [(line, values) for at, line, values in trace.events if at == path and first <= line <= last]
            if found:
                return tuple(found[:limit])
        return ()


def trace_tests(
    workspace: Workspace, test_command: str, *, failing: Sequence[str] = (), timeout_s: float = 60.0
) -> Spectrum | None:
    """Run pytest under the tracer. None when it isn't pytest or did not work out.

    `failing` are ids of tests that are known to fail: only their files are run, and they are stopped after a moment.
    """
    only = tuple(dict.fromkeys(name.partition("::")[0] for name in failing))
    command = probe_command(
        workspace.root, test_command, _PROBE, only=only, first=[json.dumps(failing[:_MOST_LIMITED])]
    )
    return read_spectrum(workspace.run(command, timeout_s=timeout_s).output) if command else None


def probe_command(
    root: Path, test_command: str, probe: Path, *, only: Sequence[str] = (), first: Sequence[str] = ()
) -> str | None:
    """The command that runs a probe as the tests are run: same interpreter, same options but those for many processes.

    `first` goes to the probe, `only` names the test files to run. None for anything but pytest.
    """
    found = _PYTEST.match(test_command.strip())
    if not found:
        return None
    try:
        arguments = [
            word for word in shlex.split(found["rest"]) if not word.startswith(("-n", "--numprocesses", "--cov"))
        ]
    except ValueError:
        return None
    if only:
        before = ["", *arguments]
        arguments = [
            word
            for word, last in zip(arguments, before, strict=False)
            if _TAKES_A_VALUE.fullmatch(last) or not (root / word.partition("::")[0]).exists()
        ]
        arguments += only
    python = found["python"] or "python"
    return f"{found['env']}{python} -c {shlex.quote(probe.read_text())} {shlex.join([*first, *arguments])}"


def marked_json(output: str, mark: str) -> Any:
    """What a probe printed behind its mark; ValueError when it is not there or not whole."""
    _, found, rest = output.rpartition(mark)
    return json.loads(rest.strip().split("\n", 1)[0] if found else "")


def read_spectrum(output: str) -> Spectrum | None:
    """Read what the probe printed; None when it is not there, not whole, or no test failed."""
    try:
        data = marked_json(output, _MARK)
        tests = {
            str(name): TestTrace(
                passed=bool(passed),
                lines={str(path): frozenset(int(n) for n in lines) for path, lines in covered.items()},
                events=tuple((str(path), int(line), str(values)) for path, line, values in events),
            )
            for name, (passed, covered, events) in data.items()
        }
    except (ValueError, TypeError, AttributeError):
        return None
    spectrum = Spectrum(tests=tests)
    return spectrum if spectrum.failing and spectrum.paths() else None
