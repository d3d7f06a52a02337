import pytest

from fieldsplit.reader import read_table, split_line


def test_plain_fields():
    assert split_line("a, b ,c") == ["a", "b", "c"]


def test_quotes():
    assert split_line('"a, b","say ""hi"""') == ["a, b", 'say "hi"']


def test_an_open_quote_is_an_error():
    with pytest.raises(ValueError, match="never closed"):
        split_line('a,"b')


def test_the_last_field_may_be_empty():
    assert read_table("name,note\nann,\nbob,x\n") == [{"name": "ann", "note": ""}, {"name": "bob", "note": "x"}]
