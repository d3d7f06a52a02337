import pytest

from stockroom.stock import OutOfStock, Stock


def test_goods_are_taken():
    stock = Stock({"nut": 10, "bolt": 5})
    stock.reserve("o1", [("nut", 4), ("bolt", 5)])
    assert stock.report() == ["bolt: 0 (5)", "nut: 6 (4)"]


def test_goods_come_back():
    stock = Stock({"nut": 10})
    stock.reserve("o1", [("nut", 4)])
    stock.reserve("o1", [("nut", 1)])
    stock.release("o1")
    assert stock.counts == {"nut": 10}


def test_all_or_nothing():
    stock = Stock({"nut": 10, "bolt": 5})
    with pytest.raises(OutOfStock):
        stock.reserve("o1", [("nut", 4), ("bolt", 6)])
    assert stock.counts == {"nut": 10, "bolt": 5}
    assert stock.orders == {}
