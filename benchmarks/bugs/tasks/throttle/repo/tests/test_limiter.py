from throttle.limiter import Limiter


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


def test_only_so_many_calls():
    limiter = Limiter(2, 10, Clock())
    assert [limiter.allow() for _ in range(3)] == [True, True, False]


def test_a_call_is_forgotten_when_the_window_ends():
    clock = Clock()
    limiter = Limiter(1, 10, clock)
    limiter.allow()
    clock.now = 10
    assert limiter.wait_time() == 0
    assert limiter.allow()


def test_keys_are_apart():
    limiter = Limiter(1, 10, Clock())
    assert limiter.allow("a")
    assert limiter.allow("b")
    assert limiter.active_keys() == ["a", "b"]
