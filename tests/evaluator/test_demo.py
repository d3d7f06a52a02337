"""The demo's own tests tell the right fix from the wrong ones, so that its first run ends settled and right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitmimo.cli.demo import TASK, make_demo_repository
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts
from tests.conftest import GitBuilder
from tests.evaluator.conftest import Judge, measured

ORDER = "return {item.name: item.minimum - item.count for item in items if item.count <= item.minimum}"
WRONG = {
    "orders what is there": ORDER.replace("item.minimum - item.count", "item.count").replace("<=", "<"),
    "leaves out the small": ORDER.replace("<=", "+ 1 <"),
    "only what is named": 'return {item.name: item.minimum - item.count for item in items if item.name != "glue"}',
}


@pytest.fixture
def demo(tmp_path: Path, make_bench: Callable[..., TestBed]) -> Judge:
    made = make_demo_repository(tmp_path / "demo")
    files = {str(p.relative_to(made)): p.read_text() for p in made.rglob("*") if p.is_file() and ".git/" not in str(p)}
    testbed = make_bench(files)
    judge = measured(GitBuilder(testbed.repository.work_tree or made), testbed)
    judge.task = TASK
    return judge


def change(demo: Judge, line: str) -> dict[str, str | bytes | None]:
    source = (demo.git.path / "shelf" / "stock.py").read_text()
    assert ORDER in source
    return {"shelf/stock.py": source.replace(ORDER, line)}


def test_wrong_fixes_do_not_pass(demo: Judge) -> None:
    assert [name for name, line in WRONG.items() if demo(change(demo, line)).passed] == []


def test_right_fix_is_settled_alone(demo: Judge) -> None:
    evidence = demo(change(demo, ORDER.replace("<=", "<")))
    assert evidence.passed, evidence.failed_gates
    behaviour = compare_behaviour(demo.testbed, demo.baseline, [evidence.tested_tree], fixed_tests=evidence.fixed_ids)
    verdict = decide([CandidateFacts(number=1, evidence=evidence)], behaviour=behaviour)
    assert verdict.settled, (verdict.doubts, verdict.inputs)
