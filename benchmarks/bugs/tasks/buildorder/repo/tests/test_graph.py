import pytest

from buildorder.graph import CycleError, levels, order, parse


def test_needs_come_first():
    assert order({"app": ["lib"], "lib": ["core"]}, "app") == ["core", "lib", "app"]


def test_two_targets_may_need_the_same_one():
    needs = parse("app: left right\nleft: core\nright: core # shared\n")
    assert order(needs, "app") == ["core", "left", "right", "app"]


def test_a_ring_is_reported():
    with pytest.raises(CycleError) as caught:
        order({"a": ["b"], "b": ["c"], "c": ["b"]}, "a")
    assert caught.value.path == ["b", "c", "b"]


def test_levels():
    assert levels({"app": ["lib"]}, "app") == [["lib"], ["app"]]
