from bell.events import Bell


def test_priority_decides():
    bell = Bell()
    bell.on("x", lambda: "low")
    bell.on("x", lambda: "high", priority=5)
    bell.on("x", lambda: "low too")
    assert bell.ring("x") == ["high", "low", "low too"]


def test_errors_stop_nobody():
    bell = Bell()
    bell.on("x", lambda: 1 / 0)
    bell.on("x", lambda: "fine")
    assert bell.ring("x") == ["fine"]
    assert len(bell.errors) == 1


def test_nobody_is_skipped():
    bell = Bell()
    bell.once("x", lambda: "first")
    bell.on("x", lambda: "second")
    assert bell.ring("x") == ["first", "second"]
    assert bell.ring("x") == ["second"]
