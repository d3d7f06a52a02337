from overlap.rects import area, intersection, union_area


def test_corners_overlap():
    assert intersection((0, 0, 4, 4), (2, 3, 6, 8)) == (2, 3, 4, 4)


def test_one_lies_in_the_other():
    assert intersection((0, 0, 9, 9), (2, 2, 5, 4)) == (2, 2, 5, 4)


def test_far_apart():
    assert intersection((0, 0, 1, 1), (5, 5, 6, 6)) is None


def test_side_by_side():
    assert intersection((0, 0, 2, 4), (5, 0, 7, 4)) is None


def test_touching():
    assert intersection((0, 0, 2, 4), (2, 1, 5, 3)) is None


def test_area():
    assert area((1, 1, 4, 3)) == 6


def test_union_area():
    assert union_area((0, 0, 2, 4), (5, 0, 7, 4)) == 16
