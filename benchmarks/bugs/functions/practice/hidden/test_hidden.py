from datetime import date, timedelta
from itertools import product

from practice.days import current_streak, longest_streak

START = date(2025, 12, 28)


def test_every_pattern_of_nine_days():
    for pattern in product("x.", repeat=9):
        days = [START + timedelta(days=index) for index, mark in enumerate(pattern) if mark == "x"]
        assert longest_streak(days) == max(len(run) for run in "".join(pattern).split("."))


def test_order_and_repetitions_do_not_matter():
    days = [START + timedelta(days=number) for number in (9, 0, 8, 1, 7, 7, 9)]
    assert longest_streak(days) == 3


def test_current():
    days = [START + timedelta(days=number) for number in (0, 1, 3, 4, 5)]
    assert [current_streak(days, START + timedelta(days=number)) for number in range(7)] == [1, 2, 0, 1, 2, 3, 0]
