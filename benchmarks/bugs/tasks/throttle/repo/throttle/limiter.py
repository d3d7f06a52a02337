"""A sliding window over the times of calls, per key."""

from collections import deque


class Limiter:
    """Allows at most `limit` calls in any `window` seconds for each key.

    A call at time t counts until t + window, and no longer at exactly t + window. Refused calls do not count.
    """

    def __init__(self, limit, window, clock):
        self.limit = limit
        self.window = window
        self.clock = clock
        self._calls = {}

    def allow(self, key="default"):
        """Count a call if it is allowed, and say whether it was."""
        now = self.clock()
        calls = self._calls.setdefault(key, deque())
        self._forget(calls, now)
        if len(calls) > self.limit:
            return False
        calls.append(now)
        return True

    def wait_time(self, key="default"):
        """Seconds until the next call would be allowed; 0 if it is now."""
        now = self.clock()
        calls = self._calls.get(key, deque())
        self._forget(calls, now)
        if len(calls) < self.limit:
            return 0
        return calls[-self.limit] + self.window - now

    def active_keys(self):
        """Keys with a call inside the window, sorted; the others are dropped."""
        now = self.clock()
        for key, calls in list(self._calls.items()):
            self._forget(calls, now)
            if not calls:
                del self._calls[key]
        return sorted(self._calls)

    def _forget(self, calls, now):
        """Drop calls that have left the window."""
        while calls and now - calls[0] > self.window:
            calls.popleft()
