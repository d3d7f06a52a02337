"""The bug repositories are sound: they fail visibly, the reference fix passes, and hidden tests are stricter.

A few stand for all; `python -m benchmarks.bugs --check` tries each one.
"""

from pathlib import Path

import pytest

from benchmarks.bugs.outcomes import append_outcome, compared, read_outcomes
from benchmarks.bugs.rows import Attempt, Caps, Outcome
from benchmarks.bugs.tasks import Bug, load_bugs, problem_of

BUGS = load_bugs()
SAMPLE = (load_bugs(kind="modules")[0], load_bugs(kind="functions")[0])


def test_there_are_enough_tasks() -> None:
    assert len(load_bugs(kind="modules")) >= 18
    assert len(load_bugs(kind="functions")) >= 16
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", SAMPLE, ids=lambda bug: bug.name)
def test_visible_tests_fail_on_base_and_the_reference_passes_all(bug: Bug, tmp_path: Path) -> None:
    assert problem_of(bug, tmp_path) == ""


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match="no such task: nope"):
        load_bugs(["nope"])


def test_a_run_that_was_cut_is_read_on_under_the_same_caps_only(tmp_path: Path) -> None:
    file, caps = tmp_path / "bugs.jsonl", Caps(candidates=8, seconds=180.0)
    assert read_outcomes(file, caps) == []
    attempt = Attempt(visible=True, hidden=False, seconds=2.5, read=10, written=3, note="finished")
    ran = [
        Outcome(row=row, task=task, attempts=(attempt, attempt), peak_mb=71.5)
        for row, task in (("plain", "trim"), ("mimo", "trim"), ("plain", "turns"))
    ]
    for outcome in ran:
        append_outcome(file, outcome, caps, day="2026-11-28")
    assert read_outcomes(file, caps) == ran
    assert compared(ran) == ran[:2]  # of `turns` there is nothing to compare yet
    with pytest.raises(ValueError, match="other caps"):
        read_outcomes(file, Caps(candidates=8, seconds=75.0))
