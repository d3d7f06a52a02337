import pytest

from quantile.summary import five_numbers, percentile


def test_median():
    assert percentile([5, 1, 3], 50) == 3
    assert percentile([4, 1, 3, 2], 50) == 2.5


def test_between_neighbours():
    assert percentile([10, 20], 30) == 13


def test_smallest():
    assert percentile([8, 2, 4], 0) == 2


def test_five_numbers():
    assert five_numbers([9, 1, 5, 3, 7]) == [1, 3, 5, 7, 9]


def test_nothing_to_measure():
    with pytest.raises(ValueError):
        percentile([], 50)
    with pytest.raises(ValueError):
        percentile([1], 101)
