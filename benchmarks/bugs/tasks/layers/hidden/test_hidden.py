import copy

from layers.merge import DEFAULTS, load, merge


def test_override_stays():
    override = {"x": {"y": [1]}}
    result = merge({}, override)
    result["x"]["y"].append(2)
    result["x"]["z"] = 1
    assert override == {"x": {"y": [1]}}


def test_result_shares_nothing_with_base():
    base = {"x": {"y": [1]}, "l": [1]}
    result = merge(base, {})
    result["x"]["y"].append(2)
    result["l"].append(2)
    assert base == {"x": {"y": [1]}, "l": [1]}


def test_defaults_stay():
    before = copy.deepcopy(DEFAULTS)
    config = load()
    config["server"]["tags"].append("x")
    load({"server": {"tags": ["y"]}})
    assert DEFAULTS == before


def test_values():
    assert merge({"a": [1], "b": 2}, {"a": [3], "b": None}) == {"a": [1, 3], "b": None}
    assert merge({"a": 1}, {"a": {"b": 2}}) == {"a": {"b": 2}}
