import pytest

from pricelog.prices import count_until, price_on


@pytest.mark.parametrize("length", range(12))
def test_count_is_what_counting_says(length):
    days = [3 * number // 2 for number in range(length)]
    for day in range(-2, 20):
        assert count_until(days, day) == sum(known <= day for known in days)


def test_several_on_one_day():
    assert count_until([1, 2, 2, 2], 2) == 4
    assert count_until([2, 2, 2, 3], 2) == 3


def test_one_change():
    assert price_on([("2026-05-01", 7)], "2026-04-30") is None
    assert price_on([("2026-05-01", 7)], "2026-05-01") == 7


def test_no_changes():
    assert price_on([], "2026-05-01") is None
