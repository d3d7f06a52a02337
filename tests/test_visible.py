"""Nothing from outside reaches a terminal raw."""

from gitmimo.visible import has_hidden, visible


def test_escape_sequences_become_text() -> None:
    assert visible("\x1b[2Jhi\x9b31m\x07") == "\\x1b[2Jhi\\x9b31m\\x07"


def test_bidi_zero_width_and_tags_are_named_by_code_point() -> None:
    assert visible("a\u202eb\u200b\U000e0041") == "a<U+202E>b<U+200B><U+E0041>"
    assert has_hidden("x\u202e") == ("U+202E RIGHT-TO-LEFT OVERRIDE",)


def test_carriage_returns_cannot_overwrite_and_undecodable_bytes_show() -> None:
    assert visible("safe\revil\r\nnext") == "safe\\x0devil\nnext"
    assert visible(b"\xff\xfe".decode(errors="surrogateescape")) == "\\xff\\xfe"
    assert visible("a\tb\nc", newlines=False) == "a\tb\\nc"
