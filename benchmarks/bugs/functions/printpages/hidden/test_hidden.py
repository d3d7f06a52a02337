import pytest

from printpages.pages import count_sheets, parse_pages


@pytest.mark.parametrize("total", range(1, 12))
def test_open_end(total):
    for first in range(1, 14):
        assert parse_pages(f"{first}-", total) == [page for page in range(1, total + 1) if page >= first]


@pytest.mark.parametrize("total", range(1, 12))
def test_ranges(total):
    for first in range(1, 12):
        for last in range(first, 14):
            wanted = [page for page in range(1, total + 1) if first <= page <= last]
            assert parse_pages(f"{first}-{last}", total) == wanted


def test_the_order_given_is_kept():
    assert parse_pages("5-,1, 3-4", 6) == [5, 6, 1, 3, 4]


def test_sheets():
    assert count_sheets("1-", 6, per_sheet=2) == 3
    assert count_sheets("1-", 7, per_sheet=2) == 4
