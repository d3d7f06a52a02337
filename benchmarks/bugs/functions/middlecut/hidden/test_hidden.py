import string

import pytest

from middlecut.cut import column, cut_middle


@pytest.mark.parametrize("width", range(3, 30))
def test_the_width_is_kept(width):
    for length in range(width + 1, 52):
        text = string.ascii_letters[:length]
        found = cut_middle(text, width)
        assert len(found) == width
        left, right = found.split("~")
        assert text.startswith(left)
        assert text.endswith(right)
        assert len(left) - len(right) in (0, 1)


def test_what_fits_stays():
    for length in range(10):
        assert cut_middle("x" * length, 9) == "x" * length


def test_every_cell_is_as_wide_as_the_column():
    assert {len(cell) for cell in column(["", "a", "abcd", "abcde", "abcdefghijklmnop"], 5)} == {5}


def test_the_smallest_width():
    assert cut_middle("abcd", 3) == "a~d"
