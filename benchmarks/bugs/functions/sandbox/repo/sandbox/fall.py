"""Sand that falls in a grid."""


def settle(grid):
    """A new grid in which all sand has fallen straight down; the grid given stays as it is.

    A grid is a list of rows, each a list of "o" (sand), "#" (rock, which stays) and "." (air).
    """
    result = list(grid)
    for top in range(len(result) - 2, -1, -1):
        for column, cell in enumerate(result[top]):
            row = top
            while cell == "o" and row + 1 < len(result) and result[row + 1][column] == ".":
                result[row][column] = "."
                result[row + 1][column] = "o"
                row += 1
    return result


def changed(grid):
    """How many cells look different after the sand has fallen."""
    after = settle(grid)
    return sum(a != b for old, new in zip(grid, after) for a, b in zip(old, new))
