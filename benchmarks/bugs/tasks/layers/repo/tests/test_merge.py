from layers.merge import flatten, load, lookup, merge


def test_nested_values_are_replaced():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_lists_are_joined():
    assert merge({"a": [1]}, {"a": [2]}) == {"a": [1, 2]}


def test_the_base_stays():
    base = {"server": {"tags": ["web"]}}
    merge(base, {"server": {"tags": ["api"]}})
    assert base == {"server": {"tags": ["web"]}}


def test_two_loads_do_not_know_each_other():
    load({"server": {"tags": ["one"]}})
    assert load()["server"]["tags"] == ["web"]


def test_lookup_and_flatten():
    config = {"a": {"b": 0}}
    assert lookup(config, "a.b") == 0
    assert lookup(config, "a.b.c", "none") == "none"
    assert flatten(config) == {"a.b": 0}
