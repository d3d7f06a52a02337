"""Chapters with roman numbers."""

VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def from_roman(text):
    """The number for a roman one: 14 for "XIV". A letter before a larger one is subtracted, all others are added.

    Upper and lower case are the same.
    """
    values = [VALUES[letter] for letter in text.upper()]
    number = 0
    for value, following in zip(values, [*values[1:], 0]):
        if value <= following:
            number -= value
        else:
            number += value
    return number


def sort_chapters(titles):
    """Titles like "IV. The storm" in the order of their numbers."""
    return sorted(titles, key=lambda title: from_roman(title.partition(".")[0]))
