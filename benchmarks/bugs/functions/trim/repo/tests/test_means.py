import pytest

from trim.means import changes, summary, trimmed_mean


def test_mean():
    assert trimmed_mean([5, 1, 3, 90, 4]) == 4


def test_nothing_cut():
    assert trimmed_mean([2, 6, 4], cut=0) == 4


def test_too_few():
    with pytest.raises(ValueError, match="too few"):
        trimmed_mean([1, 2])


def test_changes():
    assert changes([3, 5, 1]) == [2, -4]


def test_the_values_stay_in_order():
    values = [7, 2, 9, 4]
    trimmed_mean(values)
    assert values == [7, 2, 9, 4]


def test_summary():
    assert summary([10, 20, 12, 18]) == (15, 10)
