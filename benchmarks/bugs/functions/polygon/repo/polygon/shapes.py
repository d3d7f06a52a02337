"""Polygons, given by their corners (x, y) in order; the last corner is joined with the first."""

from math import dist


def edges(corners):
    """Pairs of neighbouring corners, the last with the first."""
    return list(zip(corners, [*corners[1:], *corners[:1]]))


def perimeter(corners):
    """Length of all edges together."""
    return sum(dist(start, end) for start, end in edges(corners))


def area(corners):
    """Area of a polygon whose edges do not cross; never negative, whichever way round the corners go."""
    twice = 0
    for (x1, y1), (x2, y2) in edges(corners):
        twice += x1 * y2 + x2 * y1
    return abs(twice) / 2
