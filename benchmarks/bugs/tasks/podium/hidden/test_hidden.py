from podium.ranking import Scoreboard


def board(**points):
    scoreboard = Scoreboard()
    for player, value in points.items():
        scoreboard.add(player, value)
    return scoreboard


def test_ranks():
    ranking = board(e=1, d=3, c=3, b=3, a=9, f=1, g=0).ranking()
    assert [entry[0] for entry in ranking] == [1, 2, 2, 2, 5, 5, 7]
    assert [entry[1] for entry in ranking] == ["a", "b", "c", "d", "e", "f", "g"]


def test_negative_and_zero():
    assert board(a=0, b=-1, c=0).ranking() == [(1, "a", 0), (1, "c", 0), (3, "b", -1)]


def test_medals():
    assert board(a=3, b=3, c=2, d=1).medals() == {"a": "gold", "b": "gold", "c": "bronze"}


def test_top():
    assert board(ann=5, bob=3, cy=3, dee=1).top(2) == ["ann", "bob", "cy"]
    assert board(ann=5, bob=3).top(9) == ["ann", "bob"]


def test_empty():
    assert Scoreboard().ranking() == []
