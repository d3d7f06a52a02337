from purse.amounts import show, statement


def test_plain_amounts():
    assert show(0) == "0.00"
    assert show(7) == "0.07"
    assert show(1999) == "19.99"


def test_thousands():
    assert show(1234567) == "12,345.67"


def test_currency():
    assert show(500, "EUR ") == "EUR 5.00"
    assert show(-500, "EUR ") == "-EUR 5.00"


def test_debts():
    assert show(-150) == "-1.50"
    assert show(-1234567) == "-12,345.67"


def test_statement():
    assert statement([("pay", 10000), ("rent", -9950)]) == ["pay: 100.00 (100.00)", "rent: -99.50 (0.50)"]
