"""Working days: Monday to Friday, without holidays."""

from datetime import date, timedelta

ONE_DAY = timedelta(days=1)
SATURDAY = 5


class Calendar:
    """Knows the holidays of one place."""

    def __init__(self, holidays=()):
        self.holidays = frozenset(holidays)

    def is_workday(self, day):
        return day.weekday() < SATURDAY and day not in self.holidays

    def next_workday(self, day):
        """The day itself if it is a working day, else the first one after it."""
        while not self.is_workday(day):
            day += ONE_DAY
        return day

    def add_workdays(self, day, count):
        """The working day that lies `count` working days after `day`, before it for a negative count.

        The day itself does not count. With 0 the answer is `next_workday(day)`.
        """
        step = ONE_DAY if count >= 0 else -ONE_DAY
        left = abs(count)
        while left > 0:
            day += step
            if self.is_workday(day):
                left -= 1
            elif step < timedelta(0):
                left -= 1
        return self.next_workday(day)

    def count_workdays(self, start, end):
        """Working days from `start` to before `end`."""
        count = 0
        while start < end:
            count += self.is_workday(start)
            start += ONE_DAY
        return count


def parse_day(text):
    """Read "2026-05-01"."""
    year, month, day = (int(part) for part in text.split("-"))
    return date(year, month, day)
