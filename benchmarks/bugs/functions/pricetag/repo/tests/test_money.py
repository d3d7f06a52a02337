from pricetag.money import format_cents, receipt


def test_thousands():
    assert format_cents(123405) == "1,234.05 EUR"


def test_nothing():
    assert format_cents(0) == "0.00 EUR"


def test_another_currency():
    assert format_cents(995, "CHF") == "9.95 CHF"


def test_a_debt():
    assert format_cents(-250) == "-2.50 EUR"


def test_a_debt_of_whole_euros():
    assert format_cents(-500) == "-5.00 EUR"


def test_receipt():
    assert receipt([("tea", 350), ("bread", 1200)]) == [
        "tea    3.50 EUR",
        "bread 12.00 EUR",
        "total 15.50 EUR",
    ]
