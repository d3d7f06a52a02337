import pytest

from tryagain.retry import Policy, retry, retry_each


def always(calls):
    def function():
        calls.append(1)
        raise OSError(f"failure {len(calls)}")

    return function


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_number_of_calls_and_pauses(tries):
    calls, slept = [], []
    with pytest.raises(OSError, match=f"failure {tries}"):
        retry(always(calls), Policy(tries=tries, first=1, longest=3), sleep=slept.append)
    assert len(calls) == tries
    assert slept == [1, 2, 3, 3][: tries - 1]


def test_pauses_of_a_policy():
    assert list(Policy(tries=4, first=1, longest=100).pauses()) == [1, 2, 4]
    assert list(Policy(tries=1).pauses()) == []


def test_last_try_may_work():
    calls = []

    def function():
        calls.append(1)
        if len(calls) < 2:
            raise OSError
        return None

    assert retry(function, Policy(tries=2), sleep=lambda s: None) is None
    assert len(calls) == 2


def test_each():
    results = retry_each([lambda: 1, always([])], Policy(tries=2, first=0), sleep=lambda s: None)
    assert results[0] == 1
    assert isinstance(results[1], OSError)
