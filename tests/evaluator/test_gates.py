"""The six gates on real products of a small real project."""

from gitmimo.evidence import Outcome
from tests.evaluator.conftest import RIGHT, Judge, gate


def test_base_is_measured_by_test_id(judge: Judge) -> None:
    assert judge.baseline.passed_ids == {"tests/test_core.py::test_double"}
    assert judge.baseline.failed_ids == {"tests/test_core.py::test_add"}
    assert judge.baseline.flaky_ids == ()


def test_right_product_passes_all_gates(judge: Judge) -> None:
    evidence = judge({"calc/core.py": RIGHT})
    assert evidence.passed, evidence.failed_gates
    assert evidence.fixed_ids == ("tests/test_core.py::test_add",)
    assert gate(evidence, "origin").outcome is Outcome.PASS


def test_product_that_mends_nothing_fails(judge: Judge) -> None:
    evidence = judge({"calc/core.py": RIGHT.replace("a + b", "a * b")})
    assert [g.name for g in evidence.failed_gates] == ["accept"]


def test_product_that_breaks_another_test_fails(judge: Judge) -> None:
    evidence = judge({"calc/core.py": RIGHT.replace("a * 2", "a * 3")})
    assert evidence.broken_ids == ("tests/test_core.py::test_double",)
    assert not evidence.passed
