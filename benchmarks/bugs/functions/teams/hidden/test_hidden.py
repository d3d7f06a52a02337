from itertools import combinations

import pytest

from teams.choose import bench, choose


@pytest.mark.parametrize("number", range(8))
def test_all_combinations(number):
    players = list("abcdefgh"[:number])
    for count in range(number + 3):
        assert choose(players, count) == [list(team) for team in combinations(players, count)]


def test_team_and_bench_are_everybody():
    players = list("abcde")
    for team in choose(players, 3):
        assert len(bench(players, team)) == 2
        assert sorted(team + bench(players, team)) == players
