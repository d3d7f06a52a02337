import pytest

from settings.reader import read, read_all


def test_many_texts_on_their_own():
    for number in range(20):
        assert read(f"key{number} = {number}\n") == {f"key{number}": str(number)}


def test_nothing_in_it():
    read("a = 1")
    assert read("") == {}
    assert read("# only a remark") == {}


def test_results_are_separate():
    first = read("x = 1")
    second = read("x = 2")
    assert (first, second) == ({"x": "1"}, {"x": "2"})
    first["y"] = "3"
    assert read("z = 4") == {"z": "4"}


def test_broken_text_leaves_no_trace():
    with pytest.raises(ValueError):
        read("left = over\nbroken")
    assert read("good = yes") == {"good": "yes"}


def test_an_empty_dictionary_is_filled():
    mine = {}
    assert read("a = 1", mine) is mine
    assert mine == {"a": "1"}
    assert read_all([]) == {}
