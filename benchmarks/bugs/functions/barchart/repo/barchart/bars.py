"""Bar charts in plain text."""


def bars(values, width=20):
    """A bar of "#" for each value: `width` of them for the largest, in proportion for the others, rounded down.

    Values are whole numbers, none of them negative. No values give no bars; if all are 0, all bars are empty.
    """
    largest = max(values) or 1
    return ["#" * (value * width // largest) for value in values]


def chart(counts, width=20):
    """One line for each name of the dict with its bar and its number; no lines for an empty dict."""
    longest = max((len(name) for name in counts), default=0)
    lines = []
    for (name, count), bar in zip(counts.items(), bars(list(counts.values()), width)):
        lines.append(f"{name:>{longest}} |{bar} {count}")
    return lines
