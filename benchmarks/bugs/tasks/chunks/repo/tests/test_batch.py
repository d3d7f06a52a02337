import pytest

from chunks.batch import TooBig, batches, describe


def test_by_number():
    assert list(batches("abcde", max_count=2)) == [["a", "b"], ["c", "d"], ["e"]]


def test_no_batch_is_empty():
    assert list(batches("abcd", max_count=2)) == [["a", "b"], ["c", "d"]]


def test_by_size():
    assert list(batches(["aa", "b", "cc", "d"], max_size=3)) == [["aa", "b"], ["cc", "d"]]


def test_too_big():
    with pytest.raises(TooBig):
        list(batches(["aa", "bbbbb"], max_size=4))


def test_describe():
    assert describe("abc", max_count=2) == ["1: 2 records, a..b", "2: 1 records, c..c"]
