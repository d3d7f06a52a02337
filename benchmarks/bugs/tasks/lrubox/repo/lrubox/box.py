"""A dictionary of limited size that drops what was not used for longest."""

from collections import OrderedDict

MISSING = object()


class Box:
    """Keeps at most `capacity` entries. Reading or writing an entry makes it the most recently used."""

    def __init__(self, capacity, on_drop=None):
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        self.capacity = capacity
        self.on_drop = on_drop
        self.hits = 0
        self.misses = 0
        self._entries = OrderedDict()

    def get(self, key, default=None):
        value = self._entries.get(key, MISSING)
        if value is MISSING:
            self.misses += 1
            return default
        self.hits += 1
        self._entries.move_to_end(key)
        return value

    def set(self, key, value):
        """Store a value; drops the least recently used entry when there are too many."""
        if len(self._entries) >= self.capacity:
            self._drop_oldest()
        self._entries[key] = value

    def peek(self, key, default=None):
        """Read without counting as a use."""
        return self._entries.get(key, default)

    def keys(self):
        """Keys, least recently used first."""
        return list(self._entries)

    def resize(self, capacity):
        """Change the capacity and drop what no longer fits."""
        self.capacity = capacity
        while len(self._entries) > self.capacity:
            self._drop_oldest()

    def _drop_oldest(self):
        key, value = self._entries.popitem(last=False)
        if self.on_drop:
            self.on_drop(key, value)

    def __len__(self):
        return len(self._entries)

    def __contains__(self, key):
        return key in self._entries
