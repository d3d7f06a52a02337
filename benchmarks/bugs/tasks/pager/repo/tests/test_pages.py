from pager.pages import get_page, links, window


def test_a_page_in_the_middle():
    assert window(5, 10) == [3, 4, 5, 6, 7]


def test_the_first_page():
    assert window(1, 10) == [1, 2, 3, 4, 5]


def test_the_last_page():
    assert window(10, 10) == [6, 7, 8, 9, 10]


def test_items():
    assert get_page(list(range(25)), 3).items == (20, 21, 22, 23, 24)


def test_links():
    assert links(get_page(list(range(25)), 2)) == "< 1 [2] 3 >"
