"""Reads and writes durations such as "1h 30m"."""

import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
PART = re.compile(r"(\d+)\s*([dhms])")


def parse_duration(text):
    """Seconds in "1d 2h 3m 4s"; units may be left out and a bare number means seconds. "-" in front negates."""
    text = text.strip().lower()
    sign = 1
    if text.startswith("-"):
        sign = -1
        text = text[1:].lstrip()
    if text.isdigit():
        return sign * int(text)
    total = 0
    rest = text
    for match in PART.finditer(text):
        total += int(match[1]) * UNITS[match[2]]
        rest = rest.replace(match[0], "", 1)
    if rest.strip() or not text:
        raise ValueError(f"not a duration: {text!r}")
    return sign * total


def format_duration(seconds, parts=4):
    """Write seconds as "1d 2h 3m 4s", largest unit first, units that are zero left out, at most `parts` units.

    What does not fit in `parts` is cut off, never rounded up. Nothing left gives "0s". Negative durations begin with "-".
    """
    written = []
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        if count and len(written) < parts:
            written.append(f"{count}{unit}")
    return " ".join(written)


def total(texts):
    """The sum of several durations, as text."""
    return format_duration(sum(parse_duration(text) for text in texts))
