"""A base that was measured before needs one run more, and two where anything has changed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.evaluator.baseline import Baseline, Earlier, base_key, measure_base
from gitmimo.evaluator.evaluate import EvidenceStore
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import TestOutcome
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Sandbox


class Counting:
    """The real environment, and how many commands it ran."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.name = sandbox.name
        self.runs = 0
        self._sandbox = sandbox

    def run(self, job: CommandSpec) -> CommandResult:
        self.runs += 1
        return self._sandbox.run(job)


def test_a_measurement_counts_once_more_while_it_says_the_same(
    make_bench: Callable[..., TestBed], sandbox: Sandbox, tmp_path: Path
) -> None:
    counting = Counting(sandbox)
    testbed = make_bench(sandbox=counting)
    store = EvidenceStore(tmp_path / "evidence")

    def kept() -> Earlier | None:
        return store.find(base_key(testbed), Earlier)

    def keep(baseline: Baseline) -> None:
        store.keep(base_key(testbed), baseline.for_later)

    assert kept() is None
    first = measure_base(testbed, earlier=kept())
    assert counting.runs == 2
    keep(first)

    again = measure_base(testbed, earlier=kept())
    assert counting.runs == 3
    assert (again.cases, again.fingerprint, again.flaky_ids) == (first.cases, first.fingerprint, ())

    # what was once seen to differ is not held against anybody later
    double = next(name for name in first.cases if "double" in name)
    keep(replace(again, flaky_ids=(double,)))
    flaky = measure_base(testbed, earlier=kept())
    assert counting.runs == 4
    assert flaky.flaky_ids == (double,)
    assert double not in flaky.cases

    # a changed environment shows: the kept word counts for nothing then
    other = {**first.report.cases, double: TestOutcome.FAILED}
    keep(replace(first, report=replace(first.report, cases=other)))
    assert measure_base(testbed, earlier=kept()).cases == first.cases
    assert counting.runs == 6

    # other commands are other conditions; a damaged file counts as none
    assert store.find(base_key(replace(testbed, setup=("true",))), Earlier) is None
    (file,) = (tmp_path / "evidence").glob("base-*.json")
    file.write_text("{")
    assert kept() is None


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
