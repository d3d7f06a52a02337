import random
from statistics import quantiles

import pytest

from quantile.summary import five_numbers, percentile


@pytest.mark.parametrize("size", [2, 3, 4, 7, 20])
def test_against_the_library(size):
    source = random.Random(size)
    values = [source.randrange(100) for _ in range(size)]
    expected = [min(values), *quantiles(values, n=100, method="inclusive"), max(values)]
    before = list(values)
    assert [percentile(values, percent) for percent in range(101)] == pytest.approx(expected)
    assert values == before


def test_single_value():
    assert [percentile([6], percent) for percent in (0, 1, 50, 99, 100)] == [6] * 5
    assert five_numbers([-2]) == [-2] * 5


def test_two_values():
    assert five_numbers([8, 0]) == [0, 2, 4, 6, 8]
