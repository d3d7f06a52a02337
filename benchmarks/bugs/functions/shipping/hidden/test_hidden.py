import random

from shipping.plan import missing, plan


def test_random_orders():
    source = random.Random(2)
    for _ in range(200):
        orders = [(source.choice("ABC"), source.choice("xyz"), source.randrange(5)) for _ in range(source.randrange(8))]
        stock = {item: source.randrange(8) for item in "xy"}
        orders_before, stock_before = list(orders), dict(stock)
        pieces = [item for item, count in stock.items() for _ in range(count)]
        expected = []
        for customer, item, count in orders:
            given = 0
            while given < count and item in pieces:
                pieces.remove(item)
                given += 1
            expected.append((customer, item, given))
        assert plan(orders, stock) == expected
        assert (orders, stock) == (orders_before, stock_before)
        assert plan(orders, stock) == expected
        lacking = [(c, i, n - e[2]) for (c, i, n), e in zip(orders, expected) if n > e[2]]
        assert missing(orders, stock) == lacking
        assert (orders, stock) == (orders_before, stock_before)


def test_unknown_items_are_not_added():
    stock = {}
    assert plan([("A", "hat", 2)], stock) == [("A", "hat", 0)]
    assert stock == {}
