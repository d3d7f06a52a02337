from podium.ranking import Scoreboard


def board(**points):
    scoreboard = Scoreboard()
    for player, value in points.items():
        scoreboard.add(player, value)
    return scoreboard


def test_most_points_first():
    assert board(ann=3, bob=5).ranking() == [(1, "bob", 5), (2, "ann", 3)]


def test_ranks_are_skipped_after_equal_points():
    assert board(cy=5, ann=5, bob=3).ranking() == [(1, "ann", 5), (1, "cy", 5), (3, "bob", 3)]


def test_top_keeps_equals():
    assert sorted(board(ann=5, bob=3, cy=3).top(2)) == ["ann", "bob", "cy"]
    assert board(ann=5).top(0) == []
