import pytest

from workdays.calendar import Calendar, parse_day as d


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-05-11", -1, "2026-05-08"),
        ("2026-05-11", -2, "2026-05-07"),
        ("2026-05-11", -6, "2026-05-01"),
        ("2026-05-10", -1, "2026-05-08"),
        ("2026-05-09", -1, "2026-05-08"),
        ("2026-05-09", 1, "2026-05-11"),
        ("2026-05-08", -1, "2026-05-07"),
        ("2026-05-08", 6, "2026-05-18"),
        ("2026-05-10", 0, "2026-05-11"),
    ],
)
def test_many(start, count, end):
    assert Calendar().add_workdays(d(start), count) == d(end)


def test_holiday_backwards():
    assert Calendar([d("2026-05-08")]).add_workdays(d("2026-05-11"), -1) == d("2026-05-07")
