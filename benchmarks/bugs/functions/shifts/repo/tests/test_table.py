import pytest

from shifts.table import table, understaffed


def test_no_entries():
    assert table(["mon", "tue"], []) == {"mon": [], "tue": []}


def test_one_day_sorted_by_name():
    assert table(["sat"], [("Zoe", "sat"), ("Ali", "sat")]) == {"sat": ["Ali", "Zoe"]}


def test_two_days():
    assert table(["mon", "tue"], [("Ali", "tue"), ("Zoe", "mon")]) == {"mon": ["Zoe"], "tue": ["Ali"]}


def test_unknown_day():
    with pytest.raises(ValueError):
        table(["mon"], [("Ali", "sun")])


def test_understaffed():
    plan = table(["mon", "tue", "wed"], [("Ali", "mon"), ("Zoe", "mon"), ("Ali", "wed")])
    assert understaffed(plan, 2) == ["tue", "wed"]
