"""Listings of source lines with their numbers, which start at 1."""


def listing(lines, first=1, last=-1):
    """The lines from number `first` to number `last`, both included, as "12: text".

    Without `first` it begins with the first line, without `last` it goes on to the end.
    """
    return [f"{number}: {line}" for number, line in enumerate(lines[first - 1 : last], start=first)]


def around(lines, number, context=2):
    """The listing of one line with up to `context` lines before and after it."""
    return listing(lines, max(1, number - context), number + context)
