"""Points of players and the ranking that follows from them."""

MEDALS = {1: "gold", 2: "silver", 3: "bronze"}


class Scoreboard:
    """Collects points by player."""

    def __init__(self):
        self.points = {}

    def add(self, player, points):
        self.points[player] = self.points.get(player, 0) + points

    def ranking(self):
        """(rank, player, points), most points first, equal points by name.

        Equal points share a rank, and as many ranks are skipped after them: 1, 2, 2, 4.
        """
        ordered = sorted(self.points.items(), key=lambda entry: (entry[1], entry[0]), reverse=True)
        result = []
        rank = 0
        previous = None
        for player, points in ordered:
            if points != previous:
                rank += 1
                previous = points
            result.append((rank, player, points))
        return result

    def medals(self):
        """Medals by player; those who share a rank share its medal."""
        return {player: MEDALS[rank] for rank, player, _ in self.ranking() if rank in MEDALS}

    def top(self, count):
        """The first `count` players, and everyone who shares the last of their ranks."""
        ranking = self.ranking()
        if count < 1 or not ranking:
            return []
        last = ranking[min(count, len(ranking)) - 1][0]
        return [player for rank, player, _ in ranking if rank <= last]
