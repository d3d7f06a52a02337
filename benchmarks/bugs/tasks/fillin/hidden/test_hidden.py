from fillin.template import find_value, render


def test_falsy_values():
    data = {"zero": 0, "empty": "", "no": False, "list": [], "n": None}
    assert render("{{ zero }}|{{ empty }}|{{ no }}|{{ n }}", data) == "0||False|"
    assert render("{{ zero | default: x }}", data) == "0"
    assert render("{{ empty | default: x }}", data) == ""
    assert render("{{ no | default: x }}", data) == "False"
    assert render("{{ n | default: x }}", data) == "x"
    assert find_value(data, "list") == []


def test_paths_through_falsy_values():
    assert find_value({"a": {}}, "a.b") is None
    assert find_value({"a": [0]}, "a.0") == 0
    assert find_value({"a": 0}, "a.real") == 0
    assert find_value({"a": None}, "a.b") is None
    assert find_value({"a": [1]}, "a.5.b") is None


def test_upper():
    assert render("{{ missing | upper }}", {}) == ""
    assert render("{{ zero | upper }}", {"zero": 0}) == "0"
