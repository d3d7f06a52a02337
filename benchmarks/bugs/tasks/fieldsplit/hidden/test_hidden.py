import pytest

from fieldsplit.reader import read_table, split_line


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("", [""]),
        ("   ", [""]),
        (",", ["", ""]),
        ("a,", ["a", ""]),
        ("a, ", ["a", ""]),
        (",,", ["", "", ""]),
        (",a", ["", "a"]),
        ('a,""', ["a", ""]),
        ('"",', ["", ""]),
        ('""', [""]),
        ('a," "', ["a", " "]),
        ("a,b", ["a", "b"]),
    ],
)
def test_fields(line, fields):
    assert split_line(line) == fields


def test_short_rows():
    with pytest.raises(ValueError, match="line 2 has 1 fields"):
        read_table("a,b\n1\n")
