from snippet.preview import inbox, shorten


def test_short_text_stays():
    assert shorten("hello", 5) == "hello"
    assert shorten("", 0) == ""


def test_white_space_is_joined():
    assert shorten(" two\n  lines ", 20) == "two lines"


def test_long_text_ends_in_dots():
    assert shorten("good morning", 8) == "good ..."
    assert shorten("good morning", 3) == "..."


def test_very_narrow():
    assert shorten("good morning", 2) == "go"


def test_inbox():
    assert inbox(["hi", "see you later"], 7) == ["1. hi", "2. see ..."]
