from datetime import date

import pytest

from billing.schedule import Subscription, add_months


@pytest.mark.parametrize("count", range(0, 40))
def test_add_months(count):
    months = 2026 * 12 + 4 + count
    assert add_months(date(2026, 5, 1), count) == date(months // 12, months % 12 + 1, 1)


def test_backwards():
    assert add_months(date(2026, 1, 31), -1) == date(2025, 12, 31)
    assert add_months(date(2026, 3, 31), -1) == date(2026, 2, 28)


def test_a_year():
    days = [d.day for d in Subscription(date(2027, 12, 31)).dates(6)]
    assert days == [31, 31, 29, 31, 30, 31]


def test_quarters():
    found = Subscription(date(2026, 11, 30), every=3).dates(4)
    assert found == [date(2026, 11, 30), date(2027, 2, 28), date(2027, 5, 30), date(2027, 8, 30)]


def test_end_and_next():
    subscription = Subscription(date(2026, 1, 31), end=date(2026, 3, 31))
    assert subscription.dates(9) == [date(2026, 1, 31), date(2026, 2, 28)]
    assert subscription.next_date(date(2026, 3, 1)) is None
    assert Subscription(date(2026, 1, 31)).next_date(date(2026, 3, 1)) == date(2026, 3, 31)
