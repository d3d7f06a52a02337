from itertools import product

from onlyonce.lines import merge_files, only_once


def test_every_call_begins_anew():
    for length in range(5):
        for lines in product("xyz", repeat=length):
            assert only_once(list(lines)) == list(dict.fromkeys(lines))


def test_a_shared_set_goes_on():
    seen = set()
    assert only_once(["p", "q", "p"], seen) == ["p", "q"]
    assert only_once(["q", "r"], seen) == ["r"]
    assert seen == {"p", "q", "r"}


def test_a_shared_set_does_not_leak():
    only_once(["s", "t"], {"t"})
    assert only_once(["s", "t"]) == ["s", "t"]


def test_merge():
    assert merge_files([["a"], [], ["a", "b"]]) == ["a", "b"]
    assert merge_files([["a"], ["b"]]) == ["a", "b"]
