"""The base is measured, and the gates are run on real products of a small real project."""

import threading
from collections.abc import Callable

import pytest

from gitmimo.evaluator.baseline import measure_base
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Outcome
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Sandbox
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


def test_product_that_breaks_another_test_fails(judge: Judge) -> None:
    evidence = judge({"calc/core.py": RIGHT.replace("a * 2", "a * 3")})
    assert evidence.broken_ids == ("tests/test_core.py::test_double",)
    assert not evidence.passed


class Meeting:
    """The real environment under another name, and how many commands were under way at once."""

    def __init__(self, sandbox: Sandbox, name: str, patience_s: float) -> None:
        self.name, self.most, self._patience_s = name, 0, patience_s
        self._under_way, self._met = 0, threading.Condition()
        self._sandbox = sandbox

    def run(self, job: CommandSpec) -> CommandResult:
        with self._met:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._met.notify_all()
            self._met.wait_for(lambda: self.most > 1, timeout=self._patience_s)
        result = self._sandbox.run(job)
        with self._met:
            self._under_way -= 1
        return result


@pytest.mark.parametrize(("name", "network", "most"), [("bwrap", False, 2), ("bwrap", True, 1), ("none", False, 1)])
def test_runs_of_the_base_overlap_only_where_they_cannot_meet(
    name: str,
    network: bool,
    most: int,
    make_bench: Callable[..., TestBed],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    meeting = Meeting(sandbox, name, patience_s=30 if most > 1 else 0.5)
    measured = measure_base(make_bench(sandbox=meeting, network=network))
    assert meeting.most == most
    assert (len(measured.cases), measured.flaky_ids) == (2, ())
