"""Named events and the listeners that are called when they ring."""


class Bell:
    """Listeners by event name; higher priority first, equal priority in the order of adding."""

    def __init__(self):
        self._listeners = {}
        self.errors = []

    def on(self, event, listener, priority=0):
        """Add a listener; it is called with whatever `ring` is given."""
        entries = self._listeners.setdefault(event, [])
        position = 0
        while position < len(entries) and entries[position][0] >= priority:
            position += 1
        entries.insert(position, (priority, listener))
        return listener

    def off(self, event, listener):
        """Remove a listener; one that is not there is ignored."""
        entries = self._listeners.get(event, [])
        for entry in entries:
            if entry[1] == listener:
                entries.remove(entry)
                return

    def once(self, event, listener, priority=0):
        """Add a listener that is called for one ring only."""

        def wrapper(*args):
            self.off(event, wrapper)
            return listener(*args)

        return self.on(event, wrapper, priority)

    def ring(self, event, *args):
        """Call all listeners and return their answers.

        Everyone who listens when the ring begins is called, except those removed before their turn. An error in a listener
        is kept in `errors` and stops nobody else.
        """
        answers = []
        for _, listener in self._listeners.get(event, []):
            try:
                answers.append(listener(*args))
            except Exception as error:
                self.errors.append(error)
        return answers

    def count(self, event):
        return len(self._listeners.get(event, []))
