import pytest

from stockroom.stock import OutOfStock, Stock


def test_the_same_item_twice():
    stock = Stock({"nut": 5})
    with pytest.raises(OutOfStock):
        stock.reserve("o", [("nut", 3), ("nut", 3)])
    assert stock.counts == {"nut": 5}
    assert stock.orders == {}
    stock.reserve("o", [("nut", 3), ("nut", 2)])
    assert stock.counts == {"nut": 0}
    assert stock.orders == {"o": {"nut": 5}}


def test_a_failed_extension_keeps_the_order():
    stock = Stock({"nut": 5, "bolt": 1})
    stock.reserve("o", [("nut", 2)])
    with pytest.raises(OutOfStock) as caught:
        stock.reserve("o", [("nut", 1), ("bolt", 2)])
    assert caught.value.item == "bolt"
    assert stock.orders == {"o": {"nut": 2}}
    assert stock.counts == {"nut": 3, "bolt": 1}
    stock.release("o")
    assert stock.counts == {"nut": 5, "bolt": 1}


def test_unknown_item():
    stock = Stock({"nut": 5})
    with pytest.raises(OutOfStock):
        stock.reserve("o", [("nut", 1), ("gear", 1)])
    assert stock.counts == {"nut": 5}
    assert stock.orders == {}


def test_lines_may_be_an_iterator():
    stock = Stock({"nut": 5})
    stock.reserve("o", iter([("nut", 2)]))
    assert stock.orders == {"o": {"nut": 2}}
