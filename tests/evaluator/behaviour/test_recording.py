"""Where the inputs of a comparison come from: the runs that judged the products, and as little more as needed."""

from collections.abc import Callable, Collection
from typing import Any

import pytest

from gitmimo.evaluator.behaviour import runs
from gitmimo.evaluator.behaviour.compare import compare_behaviour, unexplained_tests
from gitmimo.evaluator.testbed import FreshTree, SuiteRun, TestBed
from tests.conftest import GitBuilder
from tests.evaluator.conftest import Judge, measured

CODE = "def capped(n, most):\n    return n if n > most else most\n"
RIGHT = CODE.replace("n > most", "n < most")
TESTS = """\
from pkg.core import capped


def test_small():
    assert capped(9, 4) == 4


def test_low():
    assert capped(2, 4) == 2


def test_equal():
    assert capped(4, 4) == 4


def test_other():
    assert 1 + 1 == 2
"""
FIXED = {"tests/test_core.py::test_small", "tests/test_core.py::test_low"}
HIDING = "import builtins\n\nbuiltins.__git_mimo_record__ = lambda number: None\n\n\n" + RIGHT

Suites = list[tuple[str, Collection[str]]]


@pytest.fixture
def judge(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Judge:
    return measured(git, make_bench({"pkg/__init__.py": "", "pkg/core.py": CODE, "tests/test_core.py": TESTS}))


@pytest.fixture
def suites(monkeypatch: pytest.MonkeyPatch) -> Suites:
    """The runs of the tests that a comparison makes: tree, and the tests that were chosen."""
    seen: Suites = []
    plain = runs.run_suite

    def run_suite(fresh: FreshTree, *, only: Collection[str] = (), **options: Any) -> SuiteRun:
        seen.append((fresh.tree, set(only)))
        return plain(fresh, only=only, **options)

    monkeypatch.setattr(runs, "run_suite", run_suite)
    return seen


def test_the_run_that_judges_a_product_notes_its_calls_and_base_runs_the_fixed_tests_only(
    judge: Judge, suites: Suites
) -> None:
    evidence = judge({"pkg/core.py": RIGHT})
    assert evidence.passed
    assert not evidence.uncovered  # changed lines were noted in the same run
    noted = judge.testbed.recorded[evidence.tested_tree]
    assert {call.test for call in noted} == {*FIXED, "tests/test_core.py::test_equal"}
    report = compare_behaviour(judge.testbed, judge.baseline, (evidence.tested_tree,), fixed_tests=FIXED)
    assert suites == [(judge.baseline.tree, FIXED)]  # beside the product's
    judge.testbed.recorded.clear()
    again = compare_behaviour(judge.testbed, judge.baseline, (evidence.tested_tree,), fixed_tests=FIXED)
    assert len(suites) == 3
    assert again.products[0].changed == report.products[0].changed > 0


def test_where_a_product_hides_its_calls_the_tests_that_name_what_changed_run_on_base(
    judge: Judge, suites: Suites
) -> None:
    evidence = judge({"pkg/core.py": HIDING})
    assert not judge.testbed.recorded[evidence.tested_tree]
    report = compare_behaviour(judge.testbed, judge.baseline, (evidence.tested_tree,), fixed_tests=FIXED)
    assert suites[1:] == [(judge.baseline.tree, {*FIXED, "tests/test_core.py::test_equal"})]
    assert report.products[0].changed


def test_methods_are_named_by_their_name_and_those_of_python_by_their_class() -> None:
    sources = {"t.py::test_a": "assert Box(1).size == 1", "t.py::test_b": "x.resize(2)", "t.py::test_c": "pass"}
    assert unexplained_tests(sources, ["pkg.py::Box.__init__"], []) == {"t.py::test_a"}
    assert unexplained_tests(sources, ["pkg.py::Box.resize", "pkg.py::pas"], []) == {"t.py::test_b"}


def test_a_test_that_notices_the_recording_is_run_without_it(
    git: GitBuilder, make_bench: Callable[..., TestBed]
) -> None:
    noticing = "\n\ndef test_code():\n    assert capped(1, 2) == 1\n    assert len(capped.__code__.co_names) == 0\n"
    judge = measured(
        git, make_bench({"pkg/__init__.py": "", "pkg/core.py": CODE, "tests/test_core.py": TESTS + noticing})
    )
    judge.task = "make test_code pass"
    evidence = judge({"pkg/core.py": RIGHT})
    assert evidence.passed, evidence.failed_gates
    assert "tests/test_core.py::test_code" in evidence.fixed_ids
