from itertools import product

from lake.maps import lake_size, largest_lake


def reference(grid):
    """Sizes by cell: cells that touch take the smaller label until nothing changes."""
    water = [(row, column) for row, line in enumerate(grid) for column, cell in enumerate(line) if cell == "~"]
    labels = {cell: cell for cell in water}
    changed = True
    while changed:
        changed = False
        for one, other in product(water, water):
            if abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1 and labels[other] < labels[one]:
                labels[one] = labels[other]
                changed = True
    return {cell: list(labels.values()).count(labels[cell]) for cell in water}


def test_every_map_of_three_by_three():
    for cells in product("~.", repeat=9):
        grid = ["".join(cells[start : start + 3]) for start in (0, 3, 6)]
        sizes = reference(grid)
        for row, column in product(range(-1, 4), range(-1, 4)):
            assert lake_size(grid, row, column) == sizes.get((row, column), 0)
        assert largest_lake(grid) == max(sizes.values(), default=0)


def test_an_empty_map():
    assert largest_lake([]) == 0
