from printpages.pages import count_sheets, parse_pages


def test_single_pages():
    assert parse_pages("2, 5", 9) == [2, 5]


def test_a_range():
    assert parse_pages("3-5", 9) == [3, 4, 5]


def test_a_range_with_an_open_end():
    assert parse_pages("7-", 9) == [7, 8, 9]


def test_pages_after_the_last_are_left_out():
    assert parse_pages("8-12,15", 9) == [8, 9]


def test_mixed():
    assert parse_pages("1-2,4,6-", 8) == [1, 2, 4, 6, 7, 8]


def test_sheets():
    assert count_sheets("1-5", 9, per_sheet=2) == 3
