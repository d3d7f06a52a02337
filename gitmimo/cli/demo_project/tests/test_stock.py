import pytest

from shelf.report import order_lines
from shelf.stock import Item, take, to_order

NAILS = Item("nails", 5, 10)
GLUE = Item("glue", 4, 4)
TAPE = Item("tape", 9, 2)
SCREWS = Item("screws", 3, 12)
ROPE = Item("rope", 0, 0)


def test_items_below_the_minimum_are_ordered():
    assert to_order([NAILS, SCREWS]) == {"nails": 5, "screws": 9}
    assert to_order([TAPE, Item("hooks", 3, 4)]) == {"hooks": 1}


def test_items_at_the_minimum_are_not_ordered():
    assert to_order([GLUE]) == {}
    assert to_order([NAILS, GLUE, TAPE]) == {"nails": 5}
    assert to_order([ROPE, SCREWS]) == {"screws": 9}
    assert to_order([GLUE, ROPE, Item("wire", 0, 7)]) == {"wire": 7}


def test_the_report_lists_only_what_is_missing():
    assert order_lines([GLUE, SCREWS]) == ["screws: 9"]


def test_taking_lowers_the_count_and_leaves_the_rest():
    assert take([NAILS, TAPE], "nails", 2) == [Item("nails", 3, 10), TAPE]


def test_taking_too_many_is_refused():
    with pytest.raises(ValueError, match="only 4"):
        take([GLUE], "glue", 5)
