"""Right and wrong fixes that pass the same tests: beside the right one, and alone."""

import pytest

from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, DiffFacts, Evidence, FileChange, Gate, Outcome, Verdict
from tests.evaluator.behaviour.conftest import Compare, Comparison
from tests.evaluator.behaviour.pairs import PAIRS, Pair


def _compared(pair: Pair, compare: Compare, *names: str) -> Comparison:
    base = {f"{pair.path.partition('/')[0]}/__init__.py": "", pair.path: pair.base, "tests/test_it.py": pair.tests}
    fixes = {"right": pair.fixed(pair.right), "wrong": pair.fixed(pair.wrong)}
    return compare(base, **{name: {pair.path: fixes[name]} for name in names})


def _verdict(pair: Pair, found: Comparison) -> Verdict:
    """The decision over products that passed all gates, all of one size."""
    change = FileChange(path=pair.path, status="M", added=2, removed=1)
    return decide(
        [
            CandidateFacts(
                number=number,
                evidence=Evidence(
                    tree=tree,
                    tested_tree=tree,
                    base=found.report.base,
                    gates=(Gate(name="suite", outcome=Outcome.PASS),),
                    diff=DiffFacts(files=(change,)),
                    fixed_ids=("tests/test_it.py::test_it",),
                ),
            )
            for number, tree in enumerate(found.trees.values(), start=1)
        ],
        behaviour=found.report,
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_beside_the_right_fix_no_wrong_one_is_taken(pair: Pair, compare: Compare) -> None:
    found = _compared(pair, compare, "wrong", "right")
    assert len(found.report.groups) == 2
    assert found.report.splits
    verdict = _verdict(pair, found)
    assert not (verdict.settled and verdict.winner == 1), verdict.reason
    assert verdict.settled or verdict.inputs


def test_alone_at_most_two_wrong_fixes_are_settled_and_no_right_one_is_refused(compare: Compare) -> None:
    settled = []
    for pair in PAIRS:
        for name in ("wrong", "right"):
            verdict = _verdict(pair, _compared(pair, compare, name))
            assert verdict.winner == 1
            if name == "wrong" and verdict.settled:
                settled.append(pair.name)
    assert len(settled) <= 2, settled
