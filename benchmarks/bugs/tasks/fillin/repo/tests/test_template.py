from fillin.template import render


def test_values_are_filled_in():
    assert render("Dear {{ user.name }}, {{ items.0 }}!", {"user": {"name": "Ann"}, "items": ["hi"]}) == "Dear Ann, hi!"


def test_filters():
    assert render("{{ name | upper }}: {{ tags | join: + }}", {"name": "x", "tags": [1, 2]}) == "X: 1+2"


def test_missing_values():
    assert render("[{{ a.b.c }}] [{{ a | default: - }}]", {}) == "[] [-]"


def test_zero_is_a_value():
    assert render("{{ count | default: none }} new", {"count": 0}) == "0 new"
