import random

from sandbox.fall import changed, settle


def column_settled(cells):
    return list("#".join("".join(sorted(piece)) for piece in "".join(cells).split("#")))


def test_random_grids():
    source = random.Random(11)
    for _ in range(200):
        height, width = source.randrange(1, 7), source.randrange(1, 6)
        grid = [[source.choice("..oo#") for _ in range(width)] for _ in range(height)]
        before = [list(row) for row in grid]
        expected = [list(row) for row in zip(*(column_settled(column) for column in zip(*before)))]
        assert settle(grid) == expected
        assert grid == before
        assert changed(grid) == sum(a != b for x, y in zip(before, expected) for a, b in zip(x, y))
        assert grid == before


def test_rows_are_new():
    grid = [["."], ["#"]]
    after = settle(grid)
    after[0][0] = "o"
    assert grid == [["."], ["#"]]
