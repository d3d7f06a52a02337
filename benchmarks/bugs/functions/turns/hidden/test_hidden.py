from itertools import product

from turns.queues import positions, take_turns


def queues_of(lengths):
    return [[(number, place) for place in range(length)] for number, length in enumerate(lengths)]


def test_all_lengths():
    for lengths in product(range(4), repeat=3):
        queues = queues_of(lengths)
        wanted = sorted((item for queue in queues for item in queue), key=lambda item: (item[1], item[0]))
        assert take_turns(queues) == wanted
        assert queues == queues_of(lengths)
        assert take_turns(queues) == wanted


def test_positions():
    for lengths in product(range(4), repeat=3):
        queues = queues_of(lengths)
        order = take_turns(queues_of(lengths))
        assert positions(queues) == [[order.index(item) + 1 for item in queue] for queue in queues_of(lengths)]


def test_no_queues():
    assert take_turns([]) == []
