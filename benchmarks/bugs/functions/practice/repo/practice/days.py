"""Runs of days on which somebody practised."""

from datetime import timedelta

ONE_DAY = timedelta(days=1)


def longest_streak(days):
    """Length of the longest run of days without a gap; 0 without days. Order and repetitions do not matter."""
    ordered = sorted(set(days))
    if not ordered:
        return 0
    best = length = 1
    for previous, day in zip(ordered, ordered[1:]):
        length = length + 1 if day - previous == ONE_DAY else 0
        best = max(best, length)
    return best


def current_streak(days, today):
    """Length of the run that ends today, 0 when there was no practice today."""
    known = set(days)
    length = 0
    while today - length * ONE_DAY in known:
        length += 1
    return length
