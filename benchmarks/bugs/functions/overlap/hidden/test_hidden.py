from itertools import combinations, product

from overlap.rects import area, intersection, union_area

SIDES = list(combinations(range(4), 2))
RECTANGLES = [(left, top, right, bottom) for (left, right), (top, bottom) in product(SIDES, SIDES)]


def cells(rectangle):
    left, top, right, bottom = rectangle
    return set(product(range(left, right), range(top, bottom)))


def test_every_pair_of_small_rectangles():
    for one, other in product(RECTANGLES, RECTANGLES):
        common = cells(one) & cells(other)
        found = intersection(one, other)
        assert (found is None) == (not common)
        if found is not None:
            assert cells(found) == common
        assert area(found) == len(common)
        assert union_area(one, other) == len(cells(one) | cells(other))
