"""Steps of elimination, on matrices as lists of rows. Each gives a new matrix; the one passed stays as it is."""


def add_row(matrix, target, source, factor):
    """The matrix with `factor` times row `source` added to row `target`."""
    result = list(matrix)
    for column, value in enumerate(matrix[source]):
        result[target][column] += factor * value
    return result


def scale_row(matrix, target, factor):
    """The matrix with row `target` multiplied by `factor`."""
    return [[factor * value for value in row] if index == target else list(row) for index, row in enumerate(matrix)]


def clear_column(matrix, pivot):
    """The matrix with 0 below row `pivot` in the column of that number, where row `pivot` has 1 there."""
    for target in range(pivot + 1, len(matrix)):
        matrix = add_row(matrix, target, pivot, -matrix[target][pivot])
    return matrix
