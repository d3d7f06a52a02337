import pytest

from chunks.batch import TooBig, batches


def test_nothing():
    assert list(batches([])) == []


def test_exact_sizes():
    assert list(batches(["aaa", "bbb", "c"], max_size=3)) == [["aaa"], ["bbb"], ["c"]]


def test_both_limits():
    found = list(batches(["a", "b", "c", "dddd", "e"], max_count=2, max_size=4))
    assert found == [["a", "b"], ["c"], ["dddd"], ["e"]]


def test_too_big_comes_after_what_is_before():
    seen = []
    with pytest.raises(TooBig) as caught:
        for batch in batches(["a", "b", "cccc", "d"], max_size=3):
            seen.append(batch)
    assert seen == [["a", "b"]]
    assert (caught.value.index, caught.value.size) == (2, 4)


def test_too_big_first():
    seen = []
    with pytest.raises(TooBig):
        for batch in batches(["cccc"], max_size=3):
            seen.append(batch)
    assert seen == []


def test_nothing_is_lost():
    records = ["x" * (n % 5 + 1) for n in range(50)]
    assert sum(batches(records, max_count=3, max_size=7), []) == records
