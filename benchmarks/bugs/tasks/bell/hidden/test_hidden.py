from bell.events import Bell


def test_three_that_leave():
    bell = Bell()
    for name in "abc":
        bell.once("x", lambda name=name: name)
    assert bell.ring("x") == ["a", "b", "c"]
    assert bell.count("x") == 0


def test_added_during_a_ring():
    bell = Bell()
    bell.on("x", lambda: bell.on("x", lambda: "new") and "old")
    assert bell.ring("x") == ["old"]
    assert bell.ring("x") == ["old", "new"]


def test_removed_before_its_turn():
    bell = Bell()

    def second():
        return "second"

    bell.on("x", lambda: bell.off("x", second))
    bell.on("x", second)
    bell.on("x", lambda: "third")
    assert bell.ring("x") == [None, "third"]


def test_off_twice():
    bell = Bell()
    listener = bell.on("x", lambda: 1)
    bell.off("x", listener)
    bell.off("x", listener)
    assert bell.ring("x") == []
