import random
from datetime import date, timedelta

from streaks.days import current, longest

START = date(2023, 12, 20)


def reference(days):
    best = 0
    for first in days:
        length = 0
        while first + timedelta(days=length) in days:
            length += 1
        best = max(best, length)
    return best


def test_random_diaries():
    source = random.Random(5)
    for _ in range(300):
        days = [START + timedelta(days=source.randrange(20)) for _ in range(source.randrange(30))]
        before = list(days)
        assert longest(days) == reference(days)
        assert days == before


def test_every_day_twice():
    days = [START + timedelta(days=number) for number in range(10)]
    assert longest(days + days) == 10
    assert longest([START, START]) == 1


def test_longest_is_at_least_the_current_one():
    days = [START, START + timedelta(days=1), START + timedelta(days=1), START + timedelta(days=2)]
    assert current(days, days[-1]) == 3
    assert longest(days) == 3
