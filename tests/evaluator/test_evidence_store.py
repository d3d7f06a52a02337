"""Equal products are tested once, whoever asks and when."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import CheckError, RepoError
from gitmimo.evaluator.evaluate import EvidenceStore, evaluate
from gitmimo.evidence import Evidence
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Sandbox
from tests.evaluator.conftest import RIGHT, Judge


class Counting:
    """An environment that counts what runs in it."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.name = inner.name
        self.gaps = inner.gaps
        self.runs = 0
        self._lock = threading.Lock()

    def run(self, job: CommandSpec) -> CommandResult:
        with self._lock:
            self.runs += 1
        return self._inner.run(job)


@pytest.fixture
def counted(judge: Judge) -> Counting:
    counting = Counting(judge.testbed.sandbox)
    judge.testbed = replace(judge.testbed, sandbox=counting)
    return counting


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


# runs that one tree costs: the suite, the fixed tests with a false assertion in front, and base's failing tests
WHOLE = 3


def test_a_tree_is_tested_again_only_where_something_else_is_asked(
    judge: Judge, counted: Counting, store: EvidenceStore
) -> None:
    right = {"calc/core.py": RIGHT}
    first = judge(right, store=store)
    assert judge({**right, ".mimo/x.md": "x\n"}, store=store) == first
    assert counted.runs == WHOLE
    changes: list[Callable[[Judge], Judge]] = [
        lambda judge: replace(judge, testbed=replace(judge.testbed, accept=("true",))),
        lambda judge: replace(judge, baseline=replace(judge.baseline, fingerprint="other")),
        lambda judge: replace(judge, task="make test_add pass"),
    ]
    for change in changes:
        before = counted.runs
        change(judge)(right, store=store)
        assert counted.runs > before


def test_damaged_evidence_counts_as_absent(judge: Judge, counted: Counting, store: EvidenceStore) -> None:
    judge({"calc/core.py": RIGHT}, store=store)
    (file,) = store.directory.glob("*.json")
    assert store.find(file.stem, Evidence) is not None
    for damage in ("", "{", '{"schema": "other"}', "null"):
        file.write_text(damage)
        assert store.find(file.stem, Evidence) is None
    assert judge({"calc/core.py": RIGHT}, store=store).passed
    assert counted.runs == 2 * WHOLE


def test_equal_trees_asked_for_at_the_same_time_are_tested_once(
    judge: Judge, counted: Counting, store: EvidenceStore
) -> None:
    tree = judge.tree({"calc/core.py": RIGHT})

    def ask(_: int) -> Evidence:
        return evaluate(judge.testbed, judge.baseline, tree, store=store)

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(ask, range(4)))
    assert counted.runs == WHOLE
    assert all(evidence == found[0] for evidence in found)


def test_cancelled_evaluation_leaves_no_evidence(judge: Judge, store: EvidenceStore) -> None:
    judge.testbed = replace(judge.testbed, cancelled=lambda: True)
    with pytest.raises((CheckError, RepoError)):
        judge({"calc/core.py": RIGHT}, store=store)
    assert list(store.directory.glob("*.json")) == []


def test_accept_commands_decide_on_the_product_and_nothing_is_left_of_fresh_trees(judge: Judge) -> None:
    judge.testbed = replace(judge.testbed, accept=("python3 -c 'from calc.core import add; assert add(1, 1) == 2'",))
    assert judge({"calc/core.py": RIGHT}).passed
    judge.testbed = replace(judge.testbed, accept=("test -e missing.txt",))
    refused = judge({"calc/core.py": RIGHT})
    assert [gate.name for gate in refused.failed_gates] == ["accept"]
    assert "missing.txt" in refused.failed_gates[0].detail
    assert list(judge.testbed.scratch.iterdir()) == []


def test_setup_that_fails_on_the_product_fails_its_gate(judge: Judge) -> None:
    judge.testbed = replace(judge.testbed, setup=("test ! -e bad.txt",))
    assert judge({"calc/core.py": RIGHT}).passed
    assert [gate.name for gate in judge({"calc/core.py": RIGHT, "bad.txt": "x"}).failed_gates] == ["setup"]
