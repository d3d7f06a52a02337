"""Choosing teams from a list of players."""


def choose(players, count):
    """All teams of exactly `count` of the players, as lists; players and teams stay in the order of the list.

    There is one team of nobody, and no team of more players than there are.
    """
    if count == 0:
        return [[]]
    if not players:
        return [[]]
    first, *others = players
    with_first = [[first, *team] for team in choose(others, count - 1)]
    return with_first + choose(others, count)


def bench(players, team):
    """Those of the players who are not in the team, in order."""
    return [player for player in players if player not in team]
