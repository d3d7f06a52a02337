from parts.needs import needs, price

PLANS = {
    "town": {"house": 3, "lamp": 2},
    "house": {"wall": 4, "roof": 1, "lamp": 5},
    "wall": {"brick": 100, "window": 2},
    "roof": {"tile": 200, "window": 1},
    "window": {"pane": 2, "screw": 6},
    "lamp": {"screw": 1, "bulb": 1},
}


def reference(item, amount):
    """Take the pieces apart one by one."""
    heap = [item] * amount
    bought = {}
    while heap:
        piece = heap.pop()
        if piece not in PLANS:
            bought[piece] = bought.get(piece, 0) + 1
        for part, count in PLANS.get(piece, {}).items():
            heap.extend([part] * count)
    return bought


def test_against_taking_apart():
    for item in [*PLANS, "brick"]:
        for amount in (1, 2, 5):
            assert needs(PLANS, item, amount) == reference(item, amount)


def test_price_of_several():
    prices = {"pane": 10, "screw": 1}
    assert price(PLANS, prices, "window") == 26
    assert price(PLANS, prices, "window", 7) == 182


def test_plans_stay():
    before = {item: dict(plan) for item, plan in PLANS.items()}
    needs(PLANS, "town", 2)
    assert PLANS == before
