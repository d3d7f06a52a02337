from workdays.calendar import Calendar, parse_day as d


def test_forward_over_a_weekend():
    assert Calendar().add_workdays(d("2026-05-08"), 1) == d("2026-05-11")


def test_zero_moves_to_a_working_day():
    assert Calendar().add_workdays(d("2026-05-09"), 0) == d("2026-05-11")


def test_holidays_do_not_count():
    assert Calendar([d("2026-05-11")]).add_workdays(d("2026-05-08"), 1) == d("2026-05-12")


def test_backwards_over_a_weekend():
    assert Calendar().add_workdays(d("2026-05-11"), -1) == d("2026-05-08")


def test_counting():
    assert Calendar().count_workdays(d("2026-05-04"), d("2026-05-11")) == 5
