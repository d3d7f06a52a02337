from rowops.matrix import add_row, clear_column, scale_row


def test_add_row():
    assert add_row([[1, 2], [3, 4]], 1, 0, 10) == [[1, 2], [13, 24]]


def test_add_row_leaves_the_matrix():
    matrix = [[1, 2], [3, 4]]
    add_row(matrix, 0, 1, 2)
    assert matrix == [[1, 2], [3, 4]]


def test_scale_row():
    assert scale_row([[1, 2], [3, 4]], 0, 5) == [[5, 10], [3, 4]]


def test_scale_row_leaves_the_matrix():
    matrix = [[1, 2], [3, 4]]
    scale_row(matrix, 1, 2)
    assert matrix == [[1, 2], [3, 4]]


def test_clear_column():
    assert clear_column([[1, 2], [3, 4], [5, 6]], 0) == [[1, 2], [0, -2], [0, -4]]
