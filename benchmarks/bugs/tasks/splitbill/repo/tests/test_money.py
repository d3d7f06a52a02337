from splitbill.money import format_cents, parse_cents, settle, split


def test_cents_are_read_and_written():
    assert [parse_cents(t) for t in ("12.34", "-5", "0.5")] == [1234, -500, 50]
    assert format_cents(-1205) == "-12.05"


def test_an_amount_is_shared():
    assert split(1000, 3) == [334, 333, 333]


def test_a_refund_is_shared():
    assert split(-1000, 3) == [-334, -333, -333]


def test_settling():
    assert settle({"ann": 900, "bob": 0, "cy": 100}) == {"ann": -566, "bob": 333, "cy": 233}
