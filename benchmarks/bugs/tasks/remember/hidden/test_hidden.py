from remember.cache import make_key, remember


def test_keyword_order_does_not_count():
    calls = []

    @remember()
    def f(**kwargs):
        calls.append(kwargs)
        return sum(kwargs.values())

    assert f(a=1, b=2) == 3
    assert f(b=2, a=1) == 3
    assert len(calls) == 1
    assert f(a=2, b=1) == 3
    assert len(calls) == 2


def test_positions_and_keywords_differ():
    assert make_key(("a", 1), {}) != make_key((), {"a": 1})
    assert make_key((("a", 1),), {}) != make_key((), {"a": 1})


def test_none_is_kept():
    calls = []

    @remember()
    def f(n):
        calls.append(n)

    f(1)
    f(1)
    assert calls == [1]
