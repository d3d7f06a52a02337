import pytest

from snippet.preview import inbox, shorten

TEXT = "meeting moved to three"


@pytest.mark.parametrize("limit", range(30))
def test_never_longer_than_the_limit(limit):
    result = shorten(TEXT, limit)
    if limit >= len(TEXT):
        assert result == TEXT
    else:
        assert len(result) == limit
        assert result.endswith("...") == (limit >= 3)


def test_cut_without_dots():
    assert [shorten(TEXT, limit) for limit in (0, 1, 2)] == ["", "m", "me"]
    assert shorten("ab", 2) == "ab"
    assert shorten("abc", 2) == "ab"


def test_inbox_narrow():
    assert inbox(["a  b  c", "x"], 1) == ["1. a", "2. x"]


def test_negative_limit():
    with pytest.raises(ValueError):
        shorten("a", -1)
