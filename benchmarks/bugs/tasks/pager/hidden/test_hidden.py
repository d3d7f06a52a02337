import pytest

from pager.pages import window


@pytest.mark.parametrize("pages", range(1, 13))
@pytest.mark.parametrize("width", range(1, 8))
def test_width_is_kept(pages, width):
    for number in range(1, pages + 1):
        offered = window(number, pages, width)
        assert len(offered) == min(width, pages)
        assert offered == list(range(offered[0], offered[0] + len(offered)))
        assert offered[0] >= 1
        assert offered[-1] <= pages
        assert number in offered


def test_middle():
    assert window(9, 10) == [6, 7, 8, 9, 10]
    assert window(8, 10) == [6, 7, 8, 9, 10]
    assert window(7, 10) == [5, 6, 7, 8, 9]
