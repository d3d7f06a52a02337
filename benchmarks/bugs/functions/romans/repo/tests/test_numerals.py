from romans.numerals import from_roman, sort_chapters


def test_one_letter():
    assert from_roman("C") == 100


def test_subtracted():
    assert from_roman("XIV") == 14


def test_added():
    assert from_roman("MDCLXVI") == 1666


def test_the_same_letter_again():
    assert from_roman("XXIII") == 23


def test_lower_case():
    assert from_roman("xlv") == 45


def test_chapters():
    assert sort_chapters(["V. Home", "III. Sea", "IV. Storm"]) == ["III. Sea", "IV. Storm", "V. Home"]
