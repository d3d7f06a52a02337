from lrubox.box import Box


def test_setting_again_is_a_use():
    dropped = []
    box = Box(2, on_drop=lambda key, value: dropped.append((key, value)))
    box.set("a", 1)
    box.set("b", 2)
    box.set("a", 3)
    assert dropped == []
    assert box.keys() == ["b", "a"]
    box.set("c", 4)
    assert dropped == [("b", 2)]
    assert box.keys() == ["a", "c"]


def test_setting_again_below_capacity():
    box = Box(3)
    box.set("a", 1)
    box.set("b", 2)
    box.set("a", 1)
    assert box.keys() == ["b", "a"]


def test_capacity_one():
    box = Box(1)
    box.set("a", 1)
    box.set("a", 2)
    box.set("b", 3)
    assert box.keys() == ["b"]


def test_resize():
    box = Box(3)
    for key in "abc":
        box.set(key, 1)
    box.resize(1)
    assert box.keys() == ["c"]
