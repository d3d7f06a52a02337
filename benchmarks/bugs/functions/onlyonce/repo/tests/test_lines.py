from onlyonce.lines import merge_files, only_once


def test_the_first_is_kept():
    assert only_once(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_calls_do_not_know_each_other():
    only_once(["one", "two"])
    assert only_once(["two", "three"]) == ["two", "three"]


def test_known_lines_are_left_out():
    assert only_once(["x", "y", "z"], {"y"}) == ["x", "z"]


def test_a_shared_set_learns():
    seen = set()
    only_once(["x", "y"], seen)
    assert seen == {"x", "y"}


def test_merge():
    assert merge_files([["a", "b"], ["b", "c"], ["a"]]) == ["a", "b", "c"]
