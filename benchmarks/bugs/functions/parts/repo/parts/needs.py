"""What has to be bought to build something."""

from collections import Counter


def needs(plans, item, amount=1):
    """How many of each bought part `amount` pieces of an item take, as a Counter.

    `plans` says for each built item how many of which parts go into one piece; the parts may be built themselves.
    What has no plan is bought.
    """
    if item not in plans:
        return Counter({item: amount})
    total = Counter()
    for part, count in plans[item].items():
        total.update(needs(plans, part, count))
    return total


def price(plans, prices, item, amount=1):
    """What the bought parts cost together."""
    return sum(count * prices[part] for part, count in needs(plans, item, amount).items())
