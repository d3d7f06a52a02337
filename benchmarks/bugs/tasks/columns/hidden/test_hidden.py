import pytest

from columns.wrap import wrap

TEXT = "the quick brown fox jumps over the lazy dog and a very extraordinarily long word ends it"


def greedy(text, width):
    lines = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


@pytest.mark.parametrize("width", range(1, 40))
def test_lines_are_filled(width):
    assert wrap(TEXT, width) == greedy(TEXT, width)


def test_exact():
    assert wrap("aaaa b", 5) == ["aaaa", "b"]
    assert wrap("aaa b", 5) == ["aaa b"]
    assert wrap("", 5) == []


def test_bad_width():
    with pytest.raises(ValueError):
        wrap("a", 0)
