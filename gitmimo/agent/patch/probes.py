"""Runs the project's pytest under a probe, in the candidate's sandbox: a trace of tests, and a search of small edits.

The trace notes the lines of each test and the values of the failing ones. The search is mutation-based repair: each try
is a forked process with pytest already loaded and takes about as long as the tests themselves, so hundreds are tried
while a small model reads its prompt.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.agent.interface import Workspace
from gitmimo.agent.patch.localize import Spectrum, TestTrace, read_text
from gitmimo.agent.patch.operators import Edit, edits_of
from gitmimo.files import is_test_path

_PROBE = Path(__file__).with_name("pytest_probe.py")
_MARK = "@@git-mimo@@"
_PYTEST = re.compile(
    r"^(?P<env>(?:\w+=\S+\s+)*)(?:(?P<python>\S*python[\d.]*)\s+-m\s+)?(?:\S*/)?(?:pytest|py\.test)\b(?P<rest>[^;&|<>]*)$"
)
_TAKES_A_VALUE = re.compile(r"-[cpkmoWr]|--(?:rootdir|confcutdir|ignore|import-mode|tb)")
_MOST_LIMITED = 300  # tests that are stopped after a moment: an argument has at most 128 KiB
_MOST_FILES = 3
_MOST_EDITS = 800
_MOST_BYTES = 60_000  # of edits; a command line's argument ends at 128 KiB
_SECONDS = 25.0
_SPARE_S = 30.0  # for pytest's start, and edits under way at the end


def trace_tests(
    workspace: Workspace, test_command: str, *, failing: Sequence[str] = (), timeout_s: float = 60.0
) -> Spectrum | None:
    """Run pytest under the tracer. None when it isn't pytest or did not work out.

    `failing` are ids of tests that are known to fail: only their files are run, and they are stopped after a moment.
    """
    only = tuple(dict.fromkeys(name.partition("::")[0] for name in failing))
    command = _probe_command(workspace.root, test_command, {"failing": failing[:_MOST_LIMITED]}, only=only)
    return read_spectrum(workspace.run(command, timeout_s=timeout_s).output) if command else None


def read_spectrum(output: str) -> Spectrum | None:
    """Read what the probe printed; None when it is not there, not whole, or no test failed."""
    try:
        data = _marked_json(output)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The number of edits tried, and those with which the tests pass, likelier ones first."""

    tried: int = 0
    passing: tuple[Edit, ...] = ()


def search_edits(
    workspace: Workspace, test_command: str, spectrum: Spectrum, *, seconds: float = _SECONDS
) -> SearchResult:
    """Try small edits at lines that failing tests run through; `seconds` bounds the trying."""
    edits = _likely_edits(workspace.root, spectrum)
    if not edits:
        return SearchResult()
    only = tuple(dict.fromkeys(name.partition("::")[0] for name in spectrum.tests))
    asked = {
        "edits": [[edit.path, edit.start, edit.end, edit.text] for edit in edits],
        "failing": spectrum.failing,
        "seconds": seconds,
    }
    command = _probe_command(workspace.root, test_command, asked, only=only)
    if command is None:
        return SearchResult()
    return _read(workspace.run(command, timeout_s=seconds + _SPARE_S).output, edits)


def _likely_edits(root: Path, spectrum: Spectrum) -> tuple[Edit, ...]:
    """Edits in order: the kind of mistake counts, and how much failing tests run through the line."""
    found: list[tuple[float, Edit]] = []
    for path in spectrum.paths()[:_MOST_FILES]:
        text = None if is_test_path(path) else read_text(root, path)
        if text is None or "\r\n" in text:
            continue
        weights = spectrum.suspicious_lines(path)
        for edit in edits_of(path, text, weights.keys()):
            found.append((edit.rank + 3 * (1 - weights.get(edit.line, 0.5)), edit))
    ordered = [edit for _, edit in sorted(found, key=lambda pair: pair[0])]
    kept: list[Edit] = []
    size = 0
    for edit in ordered[:_MOST_EDITS]:
        size += len(edit.path) + len(edit.text) + 30
        if size > _MOST_BYTES:
            break
        kept.append(edit)
    return tuple(kept)


def _read(output: str, edits: Sequence[Edit]) -> SearchResult:
    try:
        data = _marked_json(output)
        return SearchResult(tried=int(data["tried"]), passing=tuple(edits[int(number)] for number in data["passed"]))
    except (ValueError, TypeError, KeyError, IndexError):
        return SearchResult()


def _probe_command(root: Path, test_command: str, asked: Mapping[str, Any], *, only: Sequence[str] = ()) -> str | None:
    """The command that runs the probe as the tests are run: same interpreter, same options but those for parallel runs.

    `only` names the test files to run. None for anything but pytest.
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
    return f"{found['env']}{python} -c {shlex.quote(_PROBE.read_text())} {shlex.join([json.dumps(asked), *arguments])}"


def _marked_json(output: str) -> Any:
    """What the probe printed behind its mark; ValueError when it is not there or not whole."""
    _, found, rest = output.rpartition(_MARK)
    return json.loads(rest.strip().split("\n", 1)[0] if found else "")
