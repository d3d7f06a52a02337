from lrubox.box import Box


def test_the_oldest_goes():
    box = Box(2)
    for key in "abc":
        box.set(key, key.upper())
    assert box.keys() == ["b", "c"]


def test_reading_counts_as_use():
    box = Box(2)
    box.set("a", 1)
    box.set("b", 2)
    box.get("a")
    box.set("c", 3)
    assert box.keys() == ["a", "c"]


def test_setting_again_drops_nothing():
    box = Box(2)
    box.set("a", 1)
    box.set("b", 2)
    box.set("b", 3)
    assert len(box) == 2
    assert box.peek("b") == 3


def test_hits_and_misses():
    box = Box(1)
    box.set("a", None)
    assert box.get("a", 5) is None
    assert box.get("b", 5) == 5
    assert (box.hits, box.misses) == (1, 1)
