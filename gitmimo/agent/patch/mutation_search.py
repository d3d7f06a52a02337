"""Fixes one-line mistakes without a model: tries small edits on lines that failing tests execute.

Mutation-based repair. Each try is a forked process with pytest already loaded and takes about as long as the tests
themselves, so hundreds are tried while a small model reads its prompt. Works where `spectrum` does.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.interface import Workspace
from gitmimo.agent.patch.localize import read_text
from gitmimo.agent.patch.operators import edits_of
from gitmimo.agent.patch.spans import Edit
from gitmimo.agent.patch.spectrum import Spectrum, marked_json, probe_command
from gitmimo.files import is_test_path

_MARK = "@@edits@@"
_PROBE = Path(__file__).with_name("mutation_runner.py")
_MOST_FILES = 3
_MOST_EDITS = 800
_MOST_BYTES = 60_000  # of edits; a command line's argument ends at 128 KiB
_SECONDS = 25.0
_SPARE_S = 30.0  # for pytest's start, and edits under way at the end


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
    command = probe_command(workspace.root, test_command, _PROBE, only=only, first=[json.dumps(asked)])
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
        data = marked_json(output, _MARK)
        return SearchResult(tried=int(data["tried"]), passing=tuple(edits[int(number)] for number in data["passed"]))
    except (ValueError, TypeError, KeyError, IndexError):
        return SearchResult()
