"""Streaks of days in a habit diary."""

from datetime import timedelta

DAY = timedelta(days=1)


def longest(days):
    """The length of the longest streak: days that follow each other without a gap.

    The days come in any order, and a day that was entered several times counts once.
    """
    best = 0
    length = 0
    previous = None
    for day in sorted(days):
        length = length + 1 if previous is not None and day - previous == DAY else 1
        best = max(best, length)
        previous = day
    return best


def current(days, today):
    """The length of the streak that ends today, 0 if today is missing."""
    known = set(days)
    length = 0
    while today - length * DAY in known:
        length += 1
    return length
