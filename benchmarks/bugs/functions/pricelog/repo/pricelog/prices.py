"""A price list that changes over time, kept as sorted pairs (day, price)."""


def count_until(days, day):
    """How many of the sorted `days` are not later than `day`."""
    low, high = 0, len(days) - 1
    while low < high:
        middle = (low + high) // 2
        if days[middle] <= day:
            low = middle + 1
        else:
            high = middle
    return low


def price_on(changes, day):
    """The price that holds on a day: that of the last change not later than it, None before the first change."""
    count = count_until([changed for changed, _ in changes], day)
    return changes[count - 1][1] if count else None
