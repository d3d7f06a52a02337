"""Percentiles and summaries of measurements."""


def percentile(values, percent):
    """The value below which `percent` of the sorted values lie, 0 giving the smallest one and 100 the largest.

    Between two neighbours it is interpolated in a straight line. Of a single value every percentile is that value.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= percent <= 100:
        raise ValueError("percent must be from 0 to 100")
    ordered = sorted(values)
    low, share = divmod((len(ordered) - 1) * percent, 100)
    below = ordered[low]
    above = ordered[low + 1]
    return below + (above - below) * share / 100


def five_numbers(values):
    """Smallest value, lower quartile, median, upper quartile and largest value; `percentile` with whole numbers."""
    return [percentile(values, percent) for percent in (0, 25, 50, 75, 100)]
