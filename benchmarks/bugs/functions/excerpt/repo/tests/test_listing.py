from excerpt.listing import around, listing

LINES = ["a = 1", "b = 2", "c = 3", "d = 4", "e = 5"]


def test_from_and_to():
    assert listing(LINES, 2, 3) == ["2: b = 2", "3: c = 3"]


def test_to_only():
    assert listing(LINES, last=2) == ["1: a = 1", "2: b = 2"]


def test_from_only():
    assert listing(LINES, 4) == ["4: d = 4", "5: e = 5"]


def test_everything():
    assert listing(["x", "y"]) == ["1: x", "2: y"]


def test_around():
    assert around(LINES, 3, context=1) == ["2: b = 2", "3: c = 3", "4: d = 4"]


def test_around_the_last_line():
    assert around(LINES, 5) == ["3: c = 3", "4: d = 4", "5: e = 5"]
