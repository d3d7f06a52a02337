"""The table of who works on which day."""


def table(days, entries):
    """A dictionary with every day, in the order given, and the names of those who work on it, sorted by name.

    Entries are pairs (name, day). A day without entries has an empty list; a day that is not known is a ValueError.
    """
    plan = dict.fromkeys(days, [])
    for name, day in entries:
        if day not in plan:
            raise ValueError(f"unknown day: {day}")
        plan[day].append(name)
    for names in plan.values():
        names.sort()
    return plan


def understaffed(plan, minimum):
    """The days on which fewer than `minimum` people work."""
    return [day for day, names in plan.items() if len(names) < minimum]
