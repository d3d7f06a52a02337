from itertools import product

from barchart.bars import bars, chart


def test_lengths():
    for length in range(4):
        for values in product(range(5), repeat=length):
            for width in (0, 1, 7):
                wanted = [value * width // max(values) if any(values) else 0 for value in values]
                assert bars(list(values), width) == ["#" * count for count in wanted]


def test_chart_of_nothing():
    assert chart({}, width=3) == []


def test_chart_of_zeros():
    assert chart({"a": 0, "bb": 0}) == [" a | 0", "bb | 0"]
