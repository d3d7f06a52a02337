import pytest

from tiers.discount import total, unit_price

TIERS = [(5, 200), (10, 180), (50, 150)]


def test_between_tiers():
    assert unit_price(12, TIERS) == 180


def test_above_the_last():
    assert unit_price(80, TIERS) == 150


def test_just_below_a_tier():
    assert unit_price(9, TIERS) == 200


def test_exactly_a_tier():
    assert unit_price(10, TIERS) == 180


def test_too_few():
    with pytest.raises(ValueError, match="smallest quantity is 5"):
        unit_price(4, TIERS)


def test_total():
    assert total(50, TIERS) == 7500
