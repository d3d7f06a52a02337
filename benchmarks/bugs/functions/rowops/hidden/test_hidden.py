from copy import deepcopy
from itertools import product

from rowops.matrix import add_row, clear_column, scale_row

MATRIX = [[1, 2, 3], [4, 5, 6], [-7, 8, 0]]


def test_all_rows():
    for target, source, factor in product(range(3), range(3), (-2, 0, 1, 3)):
        matrix = deepcopy(MATRIX)
        result = add_row(matrix, target, source, factor)
        wanted = [a + factor * b for a, b in zip(MATRIX[target], MATRIX[source])]
        assert result == [wanted if index == target else MATRIX[index] for index in range(3)]
        assert matrix == MATRIX


def test_clear_column_leaves_the_matrix():
    matrix = deepcopy(MATRIX)
    assert clear_column(matrix, 0) == [[1, 2, 3], [0, -3, -6], [0, 22, 21]]
    assert matrix == MATRIX


def test_scale_row_leaves_the_matrix():
    matrix = deepcopy(MATRIX)
    assert scale_row(matrix, 2, 2) == [[1, 2, 3], [4, 5, 6], [-14, 16, 0]]
    assert matrix == MATRIX
