import pytest

from splitbill.money import settle, split, split_by_weight


@pytest.mark.parametrize("cents", [-1001, -1000, -999, -2, -1, 0, 1, 2, 10, 999, 1000, 1001])
@pytest.mark.parametrize("people", [1, 2, 3, 7])
def test_shares_sum_and_are_fair(cents, people):
    shares = split(cents, people)
    assert sum(shares) == cents
    assert len(shares) == people
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, key=abs, reverse=True)


def test_small_refund():
    assert split(-2, 3) == [-1, -1, 0]


def test_nobody():
    with pytest.raises(ValueError):
        split(5, 0)


def test_the_rest_still_works():
    assert split_by_weight(100, [1, 2]) == [33, 67]
    assert settle({"a": -10, "b": 0, "c": 0}) == {"a": 6, "b": -3, "c": -3}
