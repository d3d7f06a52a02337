"""Shifts, the hours they cover and which of them clash."""

from dataclasses import dataclass

from rota.clock import DAY, format_time, parse_time


@dataclass(frozen=True)
class Shift:
    """A shift on every day; `end` before `start` means that it ends on the next day."""

    name: str
    start: int
    end: int

    @classmethod
    def parse(cls, name, text):
        """Read "22:00-06:00"."""
        start, _, end = text.partition("-")
        return cls(name, parse_time(start), parse_time(end))

    def minutes(self):
        """How long the shift lasts."""
        if self.end > self.start:
            return self.end - self.start
        return self.end + DAY - self.start

    def spans(self):
        """The parts of the day that the shift covers, as (start, end) pairs, end not included."""
        if self.start < self.end:
            return [(self.start, self.end)]
        return [(self.start, self.end + DAY)]

    def __str__(self):
        return f"{self.name} {format_time(self.start)}-{format_time(self.end)}"


def clash(first, second):
    """Say whether two shifts have a minute in common."""
    for a_start, a_end in first.spans():
        for b_start, b_end in second.spans():
            if a_start < b_end and b_start < a_end:
                return True
    return False


def find_clashes(shifts):
    """All pairs of names that clash, in the order given."""
    found = []
    for index, first in enumerate(shifts):
        for second in shifts[index + 1 :]:
            if clash(first, second):
                found.append((first.name, second.name))
    return found
