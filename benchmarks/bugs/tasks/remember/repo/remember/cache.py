"""A decorator that keeps the results of a function, with an optional age limit."""

import functools
import time


class Entry:
    """A kept result and when it was made."""

    def __init__(self, value, made):
        self.value = value
        self.made = made

    def is_fresh(self, now, max_age):
        return max_age is None or now - self.made < max_age


def make_key(args, kwargs):
    """A key that is equal only for calls with equal arguments."""
    return args + tuple(sorted(kwargs))


def remember(max_age=None, clock=time.monotonic):
    """Keep results of a function for `max_age` seconds, or for ever.

    The decorated function has `entries` (the dictionary) and `forget()`.
    """

    def decorate(function):
        entries = {}

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            key = make_key(args, kwargs)
            now = clock()
            entry = entries.get(key)
            if entry is None or not entry.is_fresh(now, max_age):
                entry = Entry(function(*args, **kwargs), now)
                entries[key] = entry
            return entry.value

        wrapper.entries = entries
        wrapper.forget = entries.clear
        return wrapper

    return decorate
