from datetime import date

from billing.schedule import Subscription, add_months, amount_due


def test_a_month_later():
    assert add_months(date(2026, 1, 15), 1) == date(2026, 2, 15)
    assert add_months(date(2026, 1, 31), 1) == date(2026, 2, 28)


def test_december():
    assert add_months(date(2026, 11, 15), 1) == date(2026, 12, 15)
    assert add_months(date(2026, 12, 15), 1) == date(2027, 1, 15)


def test_the_day_is_remembered():
    assert Subscription(date(2026, 1, 31)).dates(3) == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]


def test_what_is_due():
    assert amount_due(Subscription(date(2026, 1, 10)), 500, date(2026, 3, 10)) == 1500
