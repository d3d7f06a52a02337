from polygon.shapes import area, edges, perimeter

SQUARE = [(0, 0), (2, 0), (2, 2), (0, 2)]
TRIANGLE = [(1, 1), (5, 1), (1, 4)]


def test_edges():
    assert edges([(0, 0), (1, 0), (0, 1)]) == [((0, 0), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (0, 0))]


def test_perimeter():
    assert perimeter(TRIANGLE) == 12


def test_area_of_a_square():
    assert area(SQUARE) == 4


def test_area_of_the_same_square_elsewhere():
    assert area([(1, 1), (3, 1), (3, 3), (1, 3)]) == 4


def test_area_of_a_triangle():
    assert area(TRIANGLE) == 6


def test_area_the_other_way_round():
    assert area(TRIANGLE[::-1]) == 6
