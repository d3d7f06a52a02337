"""Fault localisation: files and functions ranked by tracebacks, executed lines, names and imports."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.interface import Workspace
from gitmimo.agent.patch.failures import failed_ids, frames_of, imports_of
from gitmimo.agent.patch.python_source import Function, find_functions
from gitmimo.agent.patch.spectrum import Spectrum
from gitmimo.errors import MimoError
from gitmimo.paths import is_test_path
from gitmimo.sandbox.files import read_inside

_CODE = re.compile(
    r"\.(py|pyi|js|mjs|cjs|ts|tsx|jsx|go|rs|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|sh|lua|pl|ex|exs)$"
)
_PATH_WORD = re.compile(r"[\w-]+(?:/[\w.-]+)*\.\w{1,5}|[\w-]+(?:/[\w.-]+)+/?")
_NAME = re.compile(
    r"`([A-Za-z_]\w*)(?:\(\))?`|\b([a-z]+(?:_[a-z0-9]+)+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[a-z]\w+(?=\(\)))"
)
_MOST_BYTES = 400_000
_SMALL = 2  # lines: functions this short are at fault less often


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A location to change: a file with its text, and the function in it, if it is known."""

    path: str
    text: str
    function: Function | None = None
    weight: float = 0.0


def find_files(workspace: Workspace, *, task: str, output: str, spectrum: Spectrum | None) -> tuple[str, ...]:
    """Files worth changing, best first: executed by failing tests, in tracebacks, named by the task, imported."""
    root = workspace.root
    scores: dict[str, float] = {}

    def add(paths: Iterable[str], points: float) -> None:
        for path in paths:
            if not is_test_path(path) and (root / path).is_file():
                scores[path] = scores.get(path, 0.0) + points

    frames = [path for path, _ in frames_of(output, root)]
    add(dict.fromkeys(frames), 4.0)
    add(frames[-1:], 2.0)
    if spectrum is not None:
        add(spectrum.paths(), 3.0)
        add(spectrum.paths()[:1], 1.0)
    tests = dict.fromkeys([*(name.partition("::")[0] for name in failed_ids(output)), *filter(is_test_path, frames)])
    for test in tests:
        add(imports_of(root, test), 2.0)
    add(_named_paths(root, task), 5.0)
    for name in _names(task):
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
    return tuple(sorted(sites, key=lambda site: -site.weight))


def read_text(root: Path, path: str) -> str | None:
    """A text file of bearable size, or None."""
    try:
        data = read_inside(root, path)
    except MimoError:
        return None
    if data is None or len(data) > _MOST_BYTES or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
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


def _names(task: str) -> tuple[str, ...]:
    """Words of the task that look like names in code, at most eight."""
    found = dict.fromkeys(match[1] or match[2] for match in _NAME.finditer(task))
    return tuple(name for name in found if len(name) > 2)[:8]


def _grep(workspace: Workspace, name: str) -> tuple[str, ...]:
    """Code files that contain a word, those that define it first."""
    result = workspace.run(f"git grep -l -I -w -F -e {shlex.quote(name)} -- .", timeout_s=20.0)
    if result.exit_code != 0:
        return ()
    return tuple(path for path in result.output.splitlines() if _CODE.search(path) and not is_test_path(path))[:12]
