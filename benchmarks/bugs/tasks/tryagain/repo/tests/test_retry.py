import pytest

from tryagain.retry import Policy, retry


def failing(times, value="done"):
    calls = []

    def function():
        calls.append(1)
        if len(calls) <= times:
            raise OSError(f"failure {len(calls)}")
        return value

    function.calls = calls
    return function


def test_it_works_at_once():
    assert retry(failing(0), sleep=pytest.fail) == "done"


def test_it_works_in_the_end():
    slept = []
    assert retry(failing(2), Policy(tries=3, first=1), sleep=slept.append) == "done"
    assert slept == [1, 2]


def test_the_last_error_is_raised():
    slept = []
    function = failing(9)
    with pytest.raises(OSError, match="failure 3"):
        retry(function, Policy(tries=3, first=1), sleep=slept.append)
    assert len(function.calls) == 3
    assert slept == [1, 2]


def test_other_errors_go_through():
    with pytest.raises(OSError, match="failure 1"):
        retry(failing(1), errors=(KeyError,), sleep=pytest.fail)
