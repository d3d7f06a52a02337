"""Right and wrong fixes that pass the same tests."""

import pytest

from tests.evaluator.behaviour.conftest import Compare
from tests.evaluator.behaviour.pairs import PAIRS, Pair


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_right_and_wrong_are_told_apart(pair: Pair, compare: Compare) -> None:
    base = {f"{pair.path.partition('/')[0]}/__init__.py": "", pair.path: pair.base, "tests/test_it.py": pair.tests}
    found = compare(base, right={pair.path: pair.fixed(pair.right)}, wrong={pair.path: pair.fixed(pair.wrong)})
    assert found.report.groups == ((found.trees["right"],), (found.trees["wrong"],))
    assert found.report.splits
