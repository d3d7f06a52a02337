from columns.wrap import side_by_side, wrap


def test_short_text_is_one_line():
    assert wrap("one two", 20) == ["one two"]


def test_long_words_stand_alone():
    assert wrap("a wonderful day", 5) == ["a", "wonderful", "day"]


def test_a_line_may_be_as_wide_as_the_width():
    assert wrap("aa bb cc dd", 5) == ["aa bb", "cc dd"]


def test_no_line_is_too_wide():
    assert wrap("one two three", 9) == ["one two", "three"]
    assert wrap("one two three", 12) == ["one two", "three"]


def test_a_word_that_just_fits_joins_the_line():
    assert wrap("abc de f", 8) == ["abc de f"]


def test_columns():
    assert side_by_side(["a b", "c"], 5) == ["a b    c"]
