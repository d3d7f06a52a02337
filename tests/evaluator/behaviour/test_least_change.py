"""Small edits that pass the same tests are compared by what they do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitmimo import ids
from gitmimo.config import resolve
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.evaluate import EvidenceStore
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence
from gitmimo.git.trees import write_files
from gitmimo.ids import SessionId
from gitmimo.records import Task
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.workspace import CandidateWorkspace
from gitmimo.workflow.worktrees import CandidatePaths, prepare_worktree, remove_candidate
from tests.conftest import GitBuilder
from tests.evaluator.conftest import measured

CODE = "def capped(n, most):\n    return n if n > most else most\n"
TESTS = """\
from pkg.core import capped


def test_small():
    assert capped(9, 4) == 4


def test_equal():
    assert capped(4, 4) == 4
"""


def test_the_edit_that_changes_least_is_named(
    git: GitBuilder, make_bench: Callable[..., TestBed], tmp_path: Path
) -> None:
    testbed = make_bench({"pkg/__init__.py": "", "pkg/core.py": CODE, "tests/test_core.py": TESTS})
    evaluator = SessionEvaluator(testbed, EvidenceStore(tmp_path / "store"), "fix capped")
    session = SessionId("0000000001")
    branch = ids.branch_ref(ids.candidate_branch(session, 1))
    paths = CandidatePaths(session=session, number=1, base=testbed.base, branch=branch, directory=tmp_path / "places")
    plan = Plan(
        task=Task(text="fix capped"),
        base=testbed.base,
        target_branch=None,
        config=resolve(flags={}, environ={}, git_config={}),
        testbed=testbed,
        evaluator=evaluator,
    )
    prepare_worktree(testbed.repository, paths)
    try:
        workspace = CandidateWorkspace(plan, paths, cancelled=lambda: False)
        edits = [CODE.replace("n if n > most else most", text) for text in ("4", "n if n < most else most")]
        changes = [{"pkg/core.py": text} for text in edits]
        assert workspace.least_change(changes) is None  # the base was not measured yet
        evaluator.measure_base()
        found = workspace.least_change(changes)
        assert found is not None
        assert found.behaviours == 2
        assert " | " in found.example
    finally:
        remove_candidate(testbed.repository, paths)


def test_a_comparison_is_made_once_for_all_sessions(
    git: GitBuilder, make_bench: Callable[..., TestBed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testbed = make_bench({"pkg/__init__.py": "", "pkg/core.py": CODE, "tests/test_core.py": TESTS})
    base = testbed.repository.tree_of(testbed.base)
    tree = write_files(testbed.repository, base, {"pkg/core.py": CODE.replace("else most", "else 4").encode()})
    evidence = Evidence(tree=tree, tested_tree=tree, base=testbed.base, gates=())
    reports = []
    for _ in range(2):
        evaluator = SessionEvaluator(testbed, EvidenceStore(tmp_path / "store"), "fix capped")
        evaluator.measure_base()
        reports.append(evaluator.compare({1: evidence}))
        monkeypatch.setattr("gitmimo.workflow.evaluate.compare_behaviour", None)  # not called again
    assert reports[0] == reports[1]
    assert reports[0].products[0].changed


def test_a_test_to_be_fixed_that_passes_on_base_after_all_is_named(
    git: GitBuilder, make_bench: Callable[..., TestBed]
) -> None:
    judge = measured(git, make_bench({"pkg/__init__.py": "", "pkg/core.py": CODE, "tests/test_core.py": TESTS}))
    tree = judge.testbed.repository.tree_of(judge.tree({"pkg/core.py": CODE.replace("n > most", "n >= most")}))
    by_chance, fixed = "tests/test_core.py::test_equal", "tests/test_core.py::test_small"
    report = compare_behaviour(judge.testbed, judge.baseline, (tree,), fixed_tests=(by_chance, fixed))
    assert report.passing_on_base == (by_chance,)
