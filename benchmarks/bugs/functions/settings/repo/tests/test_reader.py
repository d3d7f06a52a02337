import pytest

from settings.reader import read, read_all


def test_lines():
    assert read("# colours\n\nink = blue\npaper=white = warm\n", {}) == {"ink": "blue", "paper": "white = warm"}


def test_into():
    mine = {"ink": "red", "size": "4"}
    assert read("ink = blue", mine) is mine
    assert mine == {"ink": "blue", "size": "4"}


def test_one_file_after_another():
    assert read("host = alpha") == {"host": "alpha"}
    assert read("port = 80") == {"port": "80"}


def test_all():
    assert read_all(["a = 1\nb = 2", "b = 3"]) == {"a": "1", "b": "3"}


def test_line_without_equals():
    with pytest.raises(ValueError, match="line 2"):
        read("a = 1\nb", {})
