"""Goods in stock: how many there are, and what has to be ordered."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One kind of goods: its name, how many are there, and how many there should be at least."""

    name: str
    count: int
    minimum: int


def to_order(items):
    """Name the items of which there are fewer than the minimum, and how many to order of each.

    Items whose count equals the minimum need no order.
    """
    return {item.name: item.minimum - item.count for item in items if item.count <= item.minimum}


def take(items, name, count):
    """Return the items after `count` of `name` were taken; ValueError when there are not enough."""
    left = []
    for item in items:
        if item.name == name:
            if item.count < count:
                raise ValueError(f"only {item.count} of {name} left")
            item = Item(item.name, item.count - count, item.minimum)
        left.append(item)
    return left
