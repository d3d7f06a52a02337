import pytest

from packer.rle import pack, saved, unpack


def test_packing():
    assert pack("aaab") == "3ab"
    assert saved("aaab") == 1


def test_short_runs_come_back():
    assert unpack(pack("aaab")) == "aaab"


def test_long_runs_come_back():
    assert unpack(pack("x" * 12 + "y")) == "x" * 12 + "y"


def test_digits_come_back():
    assert unpack(pack("a11b")) == "a11b"


def test_broken_text():
    with pytest.raises(ValueError):
        unpack("ab3")
