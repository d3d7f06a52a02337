from datetime import date

from practice.days import current_streak, longest_streak


def march(*numbers):
    return [date(2026, 3, number) for number in numbers]


def test_no_days():
    assert longest_streak([]) == 0


def test_one_run():
    assert longest_streak(march(4, 5, 6)) == 3


def test_the_longest_run_comes_first():
    assert longest_streak(march(1, 2, 3, 10, 11)) == 3


def test_the_longest_run_comes_last():
    assert longest_streak(march(1, 2, 10, 11, 12, 13)) == 4


def test_over_the_end_of_a_month():
    assert longest_streak([date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]) == 3


def test_current():
    assert current_streak(march(1, 3, 4), date(2026, 3, 4)) == 2
