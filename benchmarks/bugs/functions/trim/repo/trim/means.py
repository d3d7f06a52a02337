"""Means that a few wild values do not spoil. The lists of values stay as they are: they are in order of time."""


def trimmed_mean(values, cut=1):
    """Mean of the values without the `cut` smallest and the `cut` largest ones. ValueError if none remain."""
    if len(values) <= 2 * cut:
        raise ValueError(f"{len(values)} values are too few to cut {cut} at each end")
    values.sort()
    kept = values[cut : len(values) - cut]
    return sum(kept) / len(kept)


def changes(values):
    """Differences of each value to the one before it."""
    return [after - before for before, after in zip(values, values[1:])]


def summary(values, cut=1):
    """The trimmed mean and the largest change from one value to the next."""
    return trimmed_mean(values, cut), max(abs(change) for change in changes(values))
