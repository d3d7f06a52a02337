"""Pools of small edits that pass the visible tests of the bug repositories, each judged by their hidden tests."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bugs.direct import PlainWorkspace
from benchmarks.bugs.tasks import Bug, judge, load_bugs, set_up
from benchmarks.selection.pools import Answer, Pool
from gitmimo.agent.patch.operators import apply
from gitmimo.agent.patch.probes import search_edits, trace_tests

_COMMAND = f"{sys.executable} -m pytest -q -p no:cacheprovider"
_MOST_ANSWERS = 12
_SECONDS = 60.0


def small_edits() -> Iterator[Pool]:
    """One pool for each repository in which some edit passes, in order of name."""
    for bug in load_bugs():
        with tempfile.TemporaryDirectory(prefix="mimo-edits-") as scratch:
            pool = _pool(bug, Path(scratch))
        if pool is not None:
            yield pool


def _pool(bug: Bug, scratch: Path) -> Pool | None:
    root = set_up(bug, scratch / "repository")
    workspace = PlainWorkspace(root)
    spectrum = trace_tests(workspace, _COMMAND)
    if spectrum is None:
        return None
    answers = []
    for edit in search_edits(workspace, _COMMAND, spectrum, seconds=_SECONDS).passing[:_MOST_ANSWERS]:
        before = (root / edit.path).read_text(encoding="utf-8")
        text = apply(before, edit)
        (root / edit.path).write_text(text, encoding="utf-8")
        visible, hidden = judge(bug, root, scratch / "judge")
        (root / edit.path).write_text(before, encoding="utf-8")
        if visible:
            answers.append(Answer(files={edit.path: text}, is_right=hidden))
    base = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
        if ".git" not in path.parts
    }
    return (
        Pool(name=f"bugs/{bug.name}", kind="small edits", task=bug.text, base=base, answers=tuple(answers))
        if answers
        else None
    )
