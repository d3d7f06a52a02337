"""Monthly billing dates."""

import calendar
from dataclasses import dataclass
from datetime import date


def add_months(day, count):
    """The same day of the month `count` months later, or the last day of a month that is too short."""
    months = day.month + count
    year = day.year + months // 12
    month = months % 12 or 12
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day.day, last))


@dataclass(frozen=True)
class Subscription:
    """Billed first on `start`, then every `every` months, until `end` if there is one (not included)."""

    start: date
    every: int = 1
    end: date | None = None

    def dates(self, count):
        """The first `count` billing dates."""
        found = []
        day = self.start
        while len(found) < count and (self.end is None or day < self.end):
            found.append(day)
            day = add_months(day, self.every)
        return found

    def next_date(self, today):
        """The first billing date on or after today, or None."""
        count = 1
        while True:
            dates = self.dates(count)
            if len(dates) < count:
                return None
            if dates[-1] >= today:
                return dates[-1]
            count += 1


def amount_due(subscription, price_cents, today):
    """What should have been paid up to and including today."""
    dates = 0
    while True:
        found = subscription.dates(dates + 1)
        if len(found) == dates or found[-1] > today:
            return dates * price_cents
        dates += 1
