"""Tests that never end: the rest of the suite still says what it says, and the place is named."""

from collections.abc import Callable

from gitmimo.evaluator.baseline import measure_base
from gitmimo.evaluator.testbed import TestBed
from tests.conftest import GitBuilder
from tests.evaluator.conftest import measured

LOOP = "def count(n):\n    while n > 0:\n        n -= 0\n    return n\n\n\ndef double(n):\n    return n * 2\n"
RIGHT = LOOP.replace("n -= 0", "n -= 1")
PYTEST = "from loops import count, double\n\n\ndef test_count():\n    assert count(3) == 0\n\n\ndef test_double():\n    assert double(2) == 4\n"  # noqa: E501
UNITTEST = """\
import unittest

from loops import count, double


class LoopTest(unittest.TestCase):
    def test_count(self):
        self.assertEqual(count(3), 0)

    def test_double(self):
        self.assertEqual(double(2), 4)
"""


def test_a_test_that_hangs_on_base_fails_and_a_product_that_ends_is_right(
    git: GitBuilder, make_bench: Callable[..., TestBed]
) -> None:
    testbed = make_bench({"loops.py": LOOP, "test_loops.py": PYTEST, "test_more.py": UNITTEST}, hang_after_s=1.0)
    judge = measured(git, testbed)
    assert {name.rpartition("test_")[2] for name in judge.baseline.failed_ids} == {"count"}
    assert {name.rpartition("test_")[2] for name in judge.baseline.passed_ids} == {"double"}
    assert (len(judge.baseline.failed_ids), len(judge.baseline.passed_ids)) == (2, 2)
    assert "loops.py:3" in judge.baseline.report.output or "loops.py:2" in judge.baseline.report.output
    assert judge({"loops.py": RIGHT}).passed
    assert not judge({"loops.py": LOOP.replace("n * 2", "n + n")}).passed


def test_a_slow_test_is_no_hanging_one(make_bench: Callable[..., TestBed]) -> None:
    slow = "import time\n\n\ndef test_slow():\n    time.sleep(1.5)\n\n\ndef test_quick():\n    pass\n"
    base = measure_base(make_bench({"test_slow.py": slow}, hang_after_s=1.0))
    assert base.flaky_ids == ("test_slow.py::test_slow",)
    assert base.failed_ids == frozenset()
