from remember.cache import remember


def test_a_result_is_kept():
    calls = []

    @remember()
    def double(n):
        calls.append(n)
        return n * 2

    assert [double(2), double(2), double(3)] == [4, 4, 6]
    assert calls == [2, 3]


def test_old_results_are_made_again():
    now = [0]
    calls = []

    @remember(max_age=10, clock=lambda: now[0])
    def load():
        calls.append(now[0])
        return now[0]

    load()
    now[0] = 9
    load()
    now[0] = 10
    load()
    assert calls == [0, 10]


def test_keywords_count():
    @remember()
    def greet(name, greeting="hello"):
        return f"{greeting} {name}"

    assert greet("ann", greeting="hi") == "hi ann"
    assert greet("ann", greeting="bye") == "bye ann"
