import pytest

from calc.evaluate import evaluate


def test_products_before_sums():
    assert evaluate("1 + 2 * 3") == 7


def test_powers_go_from_right_to_left():
    assert evaluate("2 ** 3 ** 2") == 512
    assert evaluate("-2 ** 2") == -4


def test_differences_go_from_left_to_right():
    assert evaluate("10 - 3 - 2") == 5


def test_quotients_go_from_left_to_right():
    assert evaluate("100 / 10 / 5") == 2


def test_errors():
    for text in ("1 +", "(1", "1 2", "$"):
        with pytest.raises(SyntaxError):
            evaluate(text)
