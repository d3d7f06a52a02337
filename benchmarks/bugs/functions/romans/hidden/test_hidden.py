from romans.numerals import from_roman, sort_chapters

ONES = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
TENS = [text.translate(str.maketrans("IVX", "XLC")) for text in ONES]
HUNDREDS = [text.translate(str.maketrans("IVX", "CDM")) for text in ONES]


def roman(number):
    return "M" * (number // 1000) + HUNDREDS[number // 100 % 10] + TENS[number // 10 % 10] + ONES[number % 10]


def test_every_number():
    for number in range(1, 4000):
        assert from_roman(roman(number)) == number
        assert from_roman(roman(number).lower()) == number


def test_chapters():
    titles = [f"{roman(number)}. Chapter" for number in range(1, 60)]
    assert sort_chapters(sorted(titles)) == titles
