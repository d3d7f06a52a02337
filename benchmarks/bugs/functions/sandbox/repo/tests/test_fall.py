from sandbox.fall import changed, settle


def grid(*rows):
    return [list(row) for row in rows]


def test_sand_falls():
    assert settle(grid("oo", "..", ".o")) == grid("..", ".o", "oo")


def test_rock_stays():
    assert settle(grid("o#o", "...", "#..")) == grid(".#.", "o..", "#.o")


def test_empty():
    assert settle([]) == []


def test_the_grid_given_stays():
    before = grid("o.", "..")
    settle(before)
    assert before == grid("o.", "..")


def test_changed():
    assert changed(grid("o.", "..", "..")) == 2
    assert changed(grid("..", "oo")) == 0
