from decimal import Decimal

from pricetag.money import format_cents, receipt


def test_it_reads_back():
    for cents in [*range(-1234, 1234), -100000, -99999, -123456789, 123456789]:
        assert format_cents(cents) == f"{Decimal(cents) / 100:,.2f} EUR"


def test_a_debt_is_the_amount_with_a_sign():
    for cents in range(1, 3000, 7):
        assert format_cents(-cents) == "-" + format_cents(cents)


def test_receipt_with_a_discount():
    assert receipt([("tea", 1050), ("coupon", -75)]) == [
        "tea    10.50 EUR",
        "coupon -0.75 EUR",
        "total   9.75 EUR",
    ]
