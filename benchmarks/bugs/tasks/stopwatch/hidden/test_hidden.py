import pytest

from stopwatch.duration import format_duration, parse_duration


@pytest.mark.parametrize("seconds", [0, 1, 59, 60, 61, 3599, 3600, 86399, 86400, 90061, -1, -60, -86400, -90061])
def test_round_trip(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


def test_texts():
    assert format_duration(0) == "0s"
    assert format_duration(-3601) == "-1h 1s"
    assert format_duration(-93784, parts=1) == "-1d"
    assert format_duration(3599, parts=1) == "59m"


def test_cut_to_nothing():
    assert format_duration(5, parts=0) == "0s"
