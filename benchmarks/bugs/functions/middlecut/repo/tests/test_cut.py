import pytest

from middlecut.cut import column, cut_middle


def test_a_short_name_stays():
    assert cut_middle("notes.txt", 12) == "notes.txt"


def test_a_name_that_just_fits_stays():
    assert cut_middle("notes.txt", 9) == "notes.txt"


def test_an_even_width():
    assert cut_middle("abcdefghijkl", 8) == "abcd~jkl"


def test_an_odd_width():
    assert cut_middle("abcdefghijkl", 7) == "abc~jkl"


def test_too_narrow():
    with pytest.raises(ValueError, match="at least 3"):
        cut_middle("abcdef", 2)


def test_column():
    assert column(["a.txt", "holiday-photo.jpg"], 10) == ["a.txt     ", "holid~.jpg"]
