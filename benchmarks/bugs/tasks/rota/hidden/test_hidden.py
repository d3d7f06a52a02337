from rota.shifts import Shift, clash


def s(text):
    return Shift.parse("x", text)


def test_night_and_early_in_both_orders():
    assert clash(s("22:00-06:00"), s("05:00-13:00"))
    assert clash(s("05:00-13:00"), s("22:00-06:00"))


def test_two_nights():
    assert clash(s("22:00-06:00"), s("23:00-01:00"))
    assert clash(s("23:00-01:00"), s("22:00-06:00"))


def test_touching_at_both_ends():
    assert not clash(s("22:00-06:00"), s("06:00-22:00"))


def test_apart():
    assert not clash(s("22:00-06:00"), s("09:00-17:00"))
    assert not clash(s("09:00-17:00"), s("22:00-06:00"))


def test_late_evening():
    assert clash(s("22:00-06:00"), s("21:00-22:30"))


def test_lengths_stay():
    assert s("22:00-06:00").minutes() == 480
    assert s("06:00-22:00").minutes() == 960
