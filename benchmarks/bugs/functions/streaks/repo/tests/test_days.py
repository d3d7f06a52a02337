from datetime import date

from streaks.days import current, longest


def march(*numbers):
    return [date(2023, 3, number) for number in numbers]


def test_no_days():
    assert longest([]) == 0


def test_one_streak():
    assert longest(march(4, 5, 6)) == 3


def test_gaps_and_any_order():
    assert longest(march(9, 2, 1, 7, 8, 20)) == 3


def test_over_the_end_of_a_month():
    assert longest([date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]) == 3


def test_a_day_entered_twice():
    assert longest(march(1, 2, 2, 3)) == 3


def test_current():
    assert current(march(1, 3, 4, 4, 5), date(2023, 3, 5)) == 3
    assert current(march(1, 3), date(2023, 3, 5)) == 0
