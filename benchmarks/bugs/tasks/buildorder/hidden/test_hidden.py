import pytest

from buildorder.graph import CycleError, levels, order


def test_diamond_over_diamond():
    needs = {"a": ["b", "c"], "b": ["d"], "c": ["d", "b"], "d": ["e", "f"], "e": ["g"], "f": ["g"]}
    found = order(needs, "a")
    assert found == ["g", "e", "f", "d", "b", "c", "a"]


def test_the_same_need_twice():
    assert order({"a": ["b", "b"]}, "a") == ["b", "a"]


def test_self_ring():
    with pytest.raises(CycleError) as caught:
        order({"a": ["a"]}, "a")
    assert caught.value.path == ["a", "a"]


def test_ring_behind_a_shared_need():
    with pytest.raises(CycleError) as caught:
        order({"a": ["b", "c"], "b": ["d"], "c": ["d", "e"], "d": [], "e": ["c"]}, "a")
    assert caught.value.path == ["c", "e", "c"]


def test_many_shared_needs_are_quick():
    needs = {f"t{n}": [f"t{n + 1}", f"t{n + 1}x"] for n in range(60)}
    needs |= {f"t{n}x": [f"t{n + 1}"] for n in range(60)}
    assert len(order(needs, "t0")) == len(set(order(needs, "t0")))


def test_levels_of_a_diamond():
    assert levels({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, "a") == [["d"], ["b", "c"], ["a"]]
