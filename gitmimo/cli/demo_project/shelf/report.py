"""Reports about a stock, as lines of text."""

from shelf.stock import to_order


def order_lines(items):
    """One line an item to order, sorted by name."""
    wanted = to_order(items)
    return [f"{name}: {wanted[name]}" for name in sorted(wanted)]
