from throttle.limiter import Limiter


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


def test_sliding():
    clock = Clock()
    limiter = Limiter(2, 10, clock)
    seen = []
    for now in (0, 4, 9, 10, 11, 13, 14, 20, 24):
        clock.now = now
        seen.append(limiter.allow())
    assert seen == [True, True, False, True, False, False, True, True, True]


def test_wait_time():
    clock = Clock()
    limiter = Limiter(2, 10, clock)
    limiter.allow()
    clock.now = 3
    assert limiter.wait_time() == 0
    limiter.allow()
    clock.now = 5
    assert limiter.wait_time() == 5
    clock.now = 9.5
    assert limiter.wait_time() == 0.5
    clock.now = 10
    assert limiter.wait_time() == 0


def test_active_keys():
    clock = Clock()
    limiter = Limiter(2, 10, clock)
    limiter.allow("a")
    clock.now = 10
    limiter.allow("b")
    assert limiter.active_keys() == ["b"]


def test_zero_limit():
    assert Limiter(0, 10, Clock()).allow() is False
