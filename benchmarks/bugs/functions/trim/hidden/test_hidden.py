from itertools import permutations

import pytest

from trim.means import summary, trimmed_mean


def test_any_order():
    for order in permutations([1, 2, 4, 8, 100]):
        values = list(order)
        assert trimmed_mean(values) == 14 / 3
        assert values == list(order)
        assert trimmed_mean(values, cut=2) == 4
        assert values == list(order)


def test_the_largest_change_is_that_of_time():
    for order in permutations([1, 3, 7, 20]):
        assert summary(list(order)) == (5, max(abs(a - b) for a, b in zip(order, order[1:])))


def test_values_stay_when_nothing_is_cut():
    values = [3, 1, 2]
    assert trimmed_mean(values, cut=0) == 2
    assert values == [3, 1, 2]


def test_too_few():
    with pytest.raises(ValueError, match="4 values are too few to cut 2"):
        trimmed_mean([1, 2, 3, 4], cut=2)
