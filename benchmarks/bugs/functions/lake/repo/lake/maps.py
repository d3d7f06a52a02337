"""Lakes on a map: a list of strings of equal length, in which "~" is water."""


def lake_size(grid, row, column, seen=None):
    """Number of water cells of the lake that this cell belongs to; 0 on land and off the map.

    Cells that touch by a side belong together, those that touch only by a corner do not.
    """
    seen = set() if seen is None else seen
    inside = 0 <= row < len(grid) and 0 <= column < len(grid[row])
    if not inside or grid[row][column] != "~" or (row, column) in seen:
        return 0
    seen.add((row, column))
    size = 1
    size += lake_size(grid, row + 1, column, seen)
    size += lake_size(grid, row, column + 1, seen)
    size += lake_size(grid, row - 1, column, seen)
    size += lake_size(grid, row - 1, column, seen)
    return size


def largest_lake(grid):
    """Size of the largest lake, 0 without any."""
    cells = [(row, column) for row, line in enumerate(grid) for column in range(len(line))]
    return max((lake_size(grid, row, column) for row, column in cells), default=0)
