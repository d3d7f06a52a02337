import random

from shifts.table import table, understaffed

DAYS = ["mon", "tue", "wed", "thu", "fri"]


def test_random_weeks():
    source = random.Random(3)
    for _ in range(100):
        entries = [(source.choice("ABCDEFG"), source.choice(DAYS)) for _ in range(source.randrange(12))]
        plan = table(DAYS, entries)
        assert list(plan) == DAYS
        for day in DAYS:
            assert plan[day] == sorted(name for name, when in entries if when == day)


def test_days_can_be_changed_by_themselves():
    plan = table(["sat", "sun"], [])
    plan["sat"].append("Kim")
    assert plan == {"sat": ["Kim"], "sun": []}


def test_empty_days_are_understaffed():
    assert understaffed(table(DAYS, [("A", "thu")]), 1) == ["mon", "tue", "wed", "fri"]
