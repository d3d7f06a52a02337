from rota.shifts import Shift, clash, find_clashes


def test_overlapping_day_shifts_clash():
    assert clash(Shift.parse("a", "08:00-12:00"), Shift.parse("b", "11:00-15:00"))


def test_shifts_that_touch_do_not_clash():
    assert not clash(Shift.parse("a", "08:00-12:00"), Shift.parse("b", "12:00-15:00"))


def test_a_night_shift_lasts_eight_hours():
    assert Shift.parse("night", "22:00-06:00").minutes() == 480


def test_the_night_shift_clashes_with_the_early_one():
    shifts = [Shift.parse("night", "22:00-06:00"), Shift.parse("early", "05:00-13:00"), Shift.parse("day", "09:00-17:00")]
    assert find_clashes(shifts) == [("night", "early"), ("early", "day")]
