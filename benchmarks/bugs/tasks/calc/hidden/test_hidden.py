import pytest

from calc.evaluate import evaluate


@pytest.mark.parametrize(
    "text",
    [
        "1 - 2 + 3",
        "1 + 2 - 3 + 4 - 5",
        "8 / 4 * 2",
        "8 * 4 / 2 / 2",
        "1 - (2 - 3) - 4",
        "2 * 3 - 4 / 2 - 1",
        "-1 - -2",
        "2 ** 2 ** 3 / 4",
        "2 ** -1",
        "(1 - 2) ** 2 - 1",
        "7",
    ],
)
def test_like_python(text):
    assert evaluate(text) == eval(text)


def test_errors():
    for text in ("", "1 - ", "1 - - ", ")"):
        with pytest.raises(SyntaxError):
            evaluate(text)
