"""Nothing from outside reaches a terminal raw."""

from gitmimo.text import cut_middle, escape_controls, hidden_characters, one_line


def test_escape_sequences_become_text() -> None:
    assert escape_controls("\x1b[2Jhi\x9b31m\x07") == "\\x1b[2Jhi\\x9b31m\\x07"


def test_bidi_zero_width_and_tags_are_named_by_code_point() -> None:
    assert escape_controls("a\u202eb\u200b\U000e0041") == "a<U+202E>b<U+200B><U+E0041>"
    assert hidden_characters("x\u202e") == ("U+202E RIGHT-TO-LEFT OVERRIDE",)


def test_carriage_returns_cannot_overwrite_and_undecodable_bytes_show() -> None:
    assert escape_controls("safe\revil\r\nnext") == "safe\\x0devil\nnext"
    assert escape_controls(b"\xff\xfe".decode(errors="surrogateescape")) == "\\xff\\xfe"
    assert escape_controls("a\tb\nc", newlines=False) == "a\tb\\nc"


def test_a_line_is_collapsed_and_cut_to_its_length() -> None:
    assert one_line(" a\n b\tc ", 5) == "a b c"
    assert one_line("one two three", 9) == "one two…"
    assert len(one_line("x" * 100, 20)) == 20


def test_the_middle_is_cut_at_line_ends_and_the_gap_is_counted() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 101))
    cut = cut_middle(text, 100, pointer="show 3")
    head, _, rest = cut.partition("\n[")
    gap, _, tail = rest.partition("]\n")
    assert gap == f"lines 8 to 94, {len(text) - len(head) - len(tail)} characters left out; whole: show 3"
    assert head.endswith("\nline 7")
    assert tail.startswith("line 95\n")
    assert cut_middle("short", 100) == "short"
