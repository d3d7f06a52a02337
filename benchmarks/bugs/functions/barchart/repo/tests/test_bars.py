from barchart.bars import bars, chart


def test_in_proportion():
    assert bars([1, 2, 4], width=8) == ["##", "####", "########"]


def test_rounded_down():
    assert bars([2, 3], width=5) == ["###", "#####"]


def test_all_zero():
    assert bars([0, 0]) == ["", ""]


def test_no_values():
    assert bars([]) == []


def test_chart():
    assert chart({"red": 2, "green": 4}, width=4) == ["  red |## 2", "green |#### 4"]


def test_empty_chart():
    assert chart({}) == []
