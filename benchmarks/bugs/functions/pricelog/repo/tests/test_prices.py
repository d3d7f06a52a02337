from pricelog.prices import count_until, price_on

CHANGES = [("2026-01-01", 100), ("2026-04-01", 110), ("2026-09-15", 125)]


def test_before_the_first_change():
    assert price_on(CHANGES, "2025-12-31") is None


def test_on_the_day_of_a_change():
    assert price_on(CHANGES, "2026-04-01") == 110


def test_between_changes():
    assert price_on(CHANGES, "2026-03-31") == 100


def test_after_the_last_change():
    assert price_on(CHANGES, "2026-12-24") == 125


def test_count():
    assert count_until([10, 20, 30, 40], 35) == 3


def test_count_all():
    assert count_until([10, 20, 30, 40], 40) == 4
