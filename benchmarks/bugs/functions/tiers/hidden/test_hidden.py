import pytest

from tiers.discount import total, unit_price

TIERS = [(1, 90), (3, 80), (4, 75), (20, 50)]


@pytest.mark.parametrize("quantity", range(1, 40))
def test_the_price_of_the_largest_tier_not_above_the_quantity(quantity):
    wanted = dict(TIERS)[max(minimum for minimum, _ in TIERS if minimum <= quantity)]
    assert unit_price(quantity, TIERS) == wanted
    assert total(quantity, TIERS) == quantity * wanted


def test_a_price_may_rise():
    assert unit_price(2, [(1, 10), (2, 30)]) == 30


def test_below_the_first():
    with pytest.raises(ValueError, match="got 0"):
        unit_price(0, TIERS)
