"""Deciding what is sent to whom."""


def plan(orders, stock):
    """What each order gets, as a list of (customer, item, count) in the order of the orders.

    Orders are (customer, item, count) and are served in turn with as much as is left of the item, maybe 0. This is
    only a plan: the orders and the stock, a dictionary from item to count, are not changed.
    """
    left = stock
    sent = []
    for customer, item, count in orders:
        given = min(count, left.get(item, 0))
        left[item] = left.get(item, 0) - given
        sent.append((customer, item, given))
    return sent


def missing(orders, stock):
    """The orders that are not served in full, with the count that is missing."""
    served = zip(orders, plan(orders, stock))
    return [(customer, item, count - given) for (customer, item, count), (_, _, given) in served if given < count]
