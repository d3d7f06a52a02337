import pytest

from packer.rle import pack, unpack


@pytest.mark.parametrize(
    "text", ["", "a", "aa", "0", "00", "1" * 11, "a" * 100, "\\", "\\\\", "\\1", "1\\", "22\\\\33", "a1b22c333", "  ", "9" * 10 + "x"]
)
def test_round_trip(text):
    assert unpack(pack(text)) == text


@pytest.mark.parametrize("packed", ["3", "a12", "\\", "4\\"])
def test_ends_too_early(packed):
    with pytest.raises(ValueError):
        unpack(packed)


def test_packed_form_stays():
    assert pack("111") == "3\\1"
    assert pack("abc") == "abc"
