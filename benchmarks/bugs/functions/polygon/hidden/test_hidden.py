from itertools import product

from polygon.shapes import area, perimeter


def test_rectangles_anywhere():
    for left, top, width, height in product((-3, 0, 2), (-4, 0, 1), range(1, 5), range(1, 5)):
        right, bottom = left + width, top + height
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        assert area(corners) == width * height
        assert area(corners[::-1]) == width * height
        assert perimeter(corners) == 2 * (width + height)


def test_an_l():
    assert area([(0, 0), (4, 0), (4, 1), (1, 1), (1, 3), (0, 3)]) == 6


def test_any_corner_may_be_the_first():
    corners = [(1, 1), (6, 2), (7, 5), (3, 8), (0, 4)]
    assert {area(corners[first:] + corners[:first]) for first in range(5)} == {30.5}
