from dotted.settings import flatten, unflatten


def test_any_depth():
    for depth in range(8):
        settings = {"leaf": depth}
        for level in reversed(range(depth)):
            settings = {f"k{level}": settings, f"v{level}": level}
        flat = flatten(settings)
        assert flat[".".join([*(f"k{level}" for level in range(depth)), "leaf"])] == depth
        assert len(flat) == depth + 1
        assert unflatten(flat) == settings


def test_equal_names_in_different_folders():
    settings = {"a": {"x": {"host": 1}}, "b": {"x": {"host": 2}}}
    assert flatten(settings) == {"a.x.host": 1, "b.x.host": 2}


def test_a_prefix_stands_before_all():
    assert flatten({"a": {"b": {"c": 1}}, "d": 2}, "p") == {"p.a.b.c": 1, "p.d": 2}
