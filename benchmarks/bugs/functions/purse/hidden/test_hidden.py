from purse.amounts import show, statement


def test_minus_is_only_a_sign():
    for cents in range(1, 2500):
        assert show(-cents) == "-" + show(cents)
        assert show(-cents, "$") == "-" + show(cents, "$")


def test_against_plain_text():
    for cents in range(0, 2500):
        digits = str(cents).rjust(3, "0")
        assert show(cents) == digits[:-2] + "." + digits[-2:]


def test_small_debts():
    assert show(-1) == "-0.01"
    assert show(-99) == "-0.99"
    assert show(-100001) == "-1,000.01"


def test_overdrawn():
    assert statement([("tea", -320), ("refund", 300)], 15) == ["tea: -3.20 (-3.05)", "refund: 3.00 (-0.05)"]
