"""Rectangles as (left, top, right, bottom), with left < right and top < bottom."""


def intersection(one, other):
    """The rectangle that both cover, None if there is none. Rectangles that only touch have none."""
    left = max(one[0], other[0])
    top = max(one[1], other[1])
    right = min(one[2], other[2])
    bottom = min(one[3], other[3])
    if left >= right and top >= bottom:
        return None
    return left, top, right, bottom


def area(rectangle):
    """Its area; 0 for None."""
    if rectangle is None:
        return 0
    left, top, right, bottom = rectangle
    return (right - left) * (bottom - top)


def union_area(one, other):
    """The area that at least one of the two covers."""
    return area(one) + area(other) - area(intersection(one, other))
