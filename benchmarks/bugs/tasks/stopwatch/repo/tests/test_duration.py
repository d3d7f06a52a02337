import pytest

from stopwatch.duration import format_duration, parse_duration, total


def test_reading():
    assert parse_duration("1h 30m") == 5400
    assert parse_duration("-2m") == -120
    assert parse_duration("45") == 45
    with pytest.raises(ValueError):
        parse_duration("soon")


def test_writing():
    assert format_duration(93784) == "1d 2h 3m 4s"
    assert format_duration(3601) == "1h 1s"
    assert format_duration(93784, parts=2) == "1d 2h"


def test_nothing_is_zero_seconds():
    assert total(["1m", "-60"]) == "0s"


def test_negative_durations():
    assert format_duration(-90) == "-1m 30s"
