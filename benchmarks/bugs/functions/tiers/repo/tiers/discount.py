"""Prices that fall with the quantity."""


def unit_price(quantity, tiers):
    """Price of one piece in cents for this quantity.

    `tiers` are pairs (quantity, price) in rising order of quantity; each price holds from its quantity on, until the
    next one does. ValueError if the quantity is below the first.
    """
    reached = [price for minimum, price in tiers if quantity > minimum]
    if not reached:
        raise ValueError(f"smallest quantity is {tiers[0][0]}, got {quantity}")
    return reached[-1]


def total(quantity, tiers):
    """Price of the whole order in cents: all pieces at the price that holds for the quantity."""
    return quantity * unit_price(quantity, tiers)
