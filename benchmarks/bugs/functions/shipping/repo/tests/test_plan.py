from shipping.plan import missing, plan


def test_enough_for_all():
    assert plan([("Ann", "cup", 2), ("Bo", "cup", 1)], {"cup": 3}) == [("Ann", "cup", 2), ("Bo", "cup", 1)]


def test_first_come_first_served():
    assert plan([("Ann", "cup", 2), ("Bo", "cup", 2)], {"cup": 3}) == [("Ann", "cup", 2), ("Bo", "cup", 1)]


def test_unknown_item():
    assert plan([("Ann", "jug", 1)], {"cup": 3}) == [("Ann", "jug", 0)]


def test_missing():
    assert missing([("Ann", "cup", 2), ("Bo", "cup", 2)], {"cup": 3}) == [("Bo", "cup", 1)]


def test_plan_and_then_missing():
    orders, stock = [("Ann", "cup", 2)], {"cup": 3}
    assert plan(orders, stock) == [("Ann", "cup", 2)]
    assert missing(orders, stock) == []
    assert stock == {"cup": 3}
