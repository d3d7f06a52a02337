"""Twelve bugs: beside the right fix no wrong one is merged, alone hardly one is, and no right one is refused."""

from collections.abc import Callable

import pytest

from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, Evidence, Verdict
from tests.conftest import GitBuilder
from tests.evaluator.behaviour.pairs import PAIRS
from tests.evaluator.conftest import Judge, measured, with_rest

BY_NAME = {pair.name: pair for pair in PAIRS}


def decided(judge: Judge, *products: Evidence) -> Verdict:
    facts = [CandidateFacts(number=number, evidence=evidence) for number, evidence in enumerate(products, start=1)]
    trees = [evidence.tested_tree for evidence in products]
    fixed = {name for evidence in products for name in evidence.fixed_ids}
    return decide(facts, behaviour=compare_behaviour(judge.testbed, judge.baseline, trees, fixed_tests=fixed))


@pytest.mark.parametrize("name", with_rest(BY_NAME, quick=[*BY_NAME][::6]))
def test_wrong_fix_is_settled_neither_alone_nor_beside_the_right_one(
    name: str, git: GitBuilder, make_bench: Callable[..., TestBed]
) -> None:
    pair = BY_NAME[name]
    base = {f"{pair.path.partition('/')[0]}/__init__.py": "", pair.path: pair.base, "tests/test_it.py": pair.tests}
    judge = measured(git, make_bench(base))
    judge.task = "Fix it"
    right = judge({pair.path: pair.fixed(pair.right)})
    wrong = judge({pair.path: pair.fixed(pair.wrong)})
    assert right.passed, right.failed_gates
    assert wrong.passed
    alone = decided(judge, wrong)
    assert not alone.settled
    assert alone.doubts
    beside = decided(judge, wrong, right)
    assert not (beside.settled and beside.winner == 1), beside.reason
    assert beside.settled or beside.inputs
