from turns.queues import positions, take_turns


def test_equal_queues():
    assert take_turns([["a", "b"], ["x", "y"]]) == ["a", "x", "b", "y"]


def test_one_is_longer():
    assert take_turns([["a"], ["x", "y", "z"], ["m", "n"]]) == ["a", "x", "m", "y", "n", "z"]


def test_empty_queues():
    assert take_turns([[], ["a"], []]) == ["a"]


def test_the_queues_stay():
    queues = [["a", "b"], ["x"]]
    take_turns(queues)
    assert queues == [["a", "b"], ["x"]]


def test_positions():
    assert positions([["a", "b"], ["x"]]) == [[1, 3], [2]]
