import pytest

from spoken.numbers import spell


def test_small():
    assert [spell(0), spell(9), spell(13)] == ["zero", "nine", "thirteen"]


def test_two_digits():
    assert spell(42) == "forty-two"
    assert spell(99) == "ninety-nine"


def test_three_digits():
    assert spell(305) == "three hundred and five"
    assert spell(678) == "six hundred and seventy-eight"


def test_round_numbers():
    assert spell(40) == "forty"
    assert spell(300) == "three hundred"


def test_out_of_range():
    for number in (-1, 1000):
        with pytest.raises(ValueError):
            spell(number)
