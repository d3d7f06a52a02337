"""Equal products are tested once, whoever asks and when."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import CheckError, RepoError
from gitmimo.evaluator.evaluate import EvidenceStore, evaluate
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence
from gitmimo.records import CommandResult, Oid
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


WHOLE = 2  # runs that one tree costs: the suite, and the mended tests once more with a false assertion in front


def test_equal_trees_are_tested_once(judge: Judge, counted: Counting, store: EvidenceStore) -> None:
    first = judge({"calc/core.py": RIGHT}, store=store)
    again = judge({"calc/core.py": RIGHT, ".mimo/x.md": "x\n"}, store=store)
    assert first == again
    assert counted.runs == WHOLE


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


def test_different_trees_are_tested_each(judge: Judge, counted: Counting, store: EvidenceStore) -> None:
    judge({"calc/core.py": RIGHT}, store=store)
    judge({"calc/core.py": RIGHT + "\n"}, store=store)
    assert counted.runs == 2 * WHOLE


@pytest.mark.parametrize(
    "change",
    [
        lambda judge: replace(judge, testbed=replace(judge.testbed, accept=("true",))),
        lambda judge: replace(judge, baseline=replace(judge.baseline, fingerprint="other")),
        lambda judge: replace(judge, task="make test_add pass"),
    ],
    ids=["commands", "environment", "task"],
)
def test_evidence_is_not_used_where_something_else_was_asked(
    judge: Judge, counted: Counting, store: EvidenceStore, change: Callable[[Judge], Judge]
) -> None:
    judge({"calc/core.py": RIGHT}, store=store)
    before = counted.runs
    change(judge)({"calc/core.py": RIGHT}, store=store)
    assert counted.runs > before


@pytest.mark.parametrize("damage", ["", "{", '{"schema": "other"}', "null"])
def test_damaged_evidence_counts_as_absent(judge: Judge, counted: Counting, store: EvidenceStore, damage: str) -> None:
    judge({"calc/core.py": RIGHT}, store=store)
    next(store.directory.glob("*.json")).write_text(damage)
    assert judge({"calc/core.py": RIGHT}, store=store).passed
    assert counted.runs == 2 * WHOLE


def test_cancelled_evaluation_leaves_no_evidence(judge: Judge, store: EvidenceStore) -> None:
    judge.testbed = replace(judge.testbed, cancelled=lambda: True)
    with pytest.raises((CheckError, RepoError)):
        judge({"calc/core.py": RIGHT}, store=store)
    assert list(store.directory.glob("*.json")) == []


def test_nothing_is_left_of_fresh_trees(judge: Judge) -> None:
    judge({"calc/core.py": RIGHT})
    assert list(judge.testbed.scratch.iterdir()) == []


def test_accept_commands_decide_on_the_product(judge: Judge) -> None:
    judge.testbed = replace(judge.testbed, accept=("python3 -c 'from calc.core import add; assert add(1, 1) == 2'",))
    assert judge({"calc/core.py": RIGHT}).passed
    judge.testbed = replace(judge.testbed, accept=("test -e missing.txt",))
    refused = judge({"calc/core.py": RIGHT})
    assert [gate.name for gate in refused.failed_gates] == ["accept"]
    assert "missing.txt" in refused.failed_gates[0].detail


def test_setup_that_fails_on_the_product_fails_its_gate(judge: Judge) -> None:
    judge.testbed = replace(judge.testbed, setup=("test ! -e bad.txt",))
    assert judge({"calc/core.py": RIGHT}).passed
    assert [gate.name for gate in judge({"calc/core.py": RIGHT, "bad.txt": "x"}).failed_gates] == ["setup"]


def test_evidence_belongs_to_the_tree_and_not_to_the_commit(judge: Judge, make_bench: Callable[..., TestBed]) -> None:
    commit = judge.tree({"calc/core.py": RIGHT})
    tree = judge.testbed.repository.tree_of(commit)
    evidence = evaluate(judge.testbed, judge.baseline, Oid(tree))
    assert evidence.tree == tree
    assert evidence.diff.size == 2
    assert make_bench
