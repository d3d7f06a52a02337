"""Calling a function again after errors, with growing pauses."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """How often and how long: `tries` calls at most, pauses `first`, `first * factor`, ... up to `longest` seconds."""

    tries: int = 3
    first: float = 0.1
    factor: float = 2.0
    longest: float = 5.0

    def pauses(self):
        """The pauses between the tries: one fewer than there are tries."""
        pause = self.first
        for _ in range(self.tries):
            yield min(pause, self.longest)
            pause *= self.factor


def retry(function, policy=Policy(), errors=(Exception,), sleep=time.sleep):
    """Call a function until it works, and return what it returns.

    Errors of other kinds go through at once. After the last try its error is raised; there is no pause after it.
    """
    for pause in policy.pauses():
        try:
            return function()
        except errors:
            sleep(pause)


def retry_each(functions, policy=Policy(), sleep=time.sleep):
    """The results of several functions; one that never works gives its error instead."""
    results = []
    for function in functions:
        try:
            results.append(retry(function, policy, sleep=sleep))
        except Exception as error:
            results.append(error)
    return results
