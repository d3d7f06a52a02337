import pytest

from excerpt.listing import around, listing


@pytest.mark.parametrize("length", range(8))
def test_parts(length):
    lines = [f"line {number}" for number in range(1, length + 1)]
    every = [f"{number}: line {number}" for number in range(1, length + 1)]
    assert listing(lines) == every
    for first in range(1, length + 1):
        assert listing(lines, first) == every[first - 1 :]
        for last in range(first, length + 1):
            assert listing(lines, first, last) == every[first - 1 : last]


def test_one_line():
    assert listing(["only"]) == ["1: only"]


def test_around_the_first_line():
    assert around(["x", "y", "z"], 1, context=1) == ["1: x", "2: y"]
