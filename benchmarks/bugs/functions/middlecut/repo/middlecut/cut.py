"""Cutting long names so that they fit into a column."""


def cut_middle(text, width):
    """The text, or if it is longer than `width`: its beginning, "~" and its end, together exactly `width` characters.

    Beginning and end are of the same length, or the beginning is one longer. ValueError for a width below 3.
    """
    if width < 3:
        raise ValueError("width must be at least 3")
    if len(text) <= width:
        return text
    left = width // 2
    right = width - left
    return text[:left] + "~" + text[-right:]


def column(names, width):
    """All names, cut where they must be and filled with spaces up to the width."""
    return [cut_middle(name, width).ljust(width) for name in names]
