"""Notes, their tags, and finding them again."""


class Note:
    """A text with tags; tags keep their spelling but compare without case."""

    def __init__(self, text, tags=[]):
        self.text = text
        self.tags = tags

    def tag(self, *names):
        """Add tags that the note does not have yet."""
        for name in names:
            if not self.has_tag(name):
                self.tags.append(name)
        return self

    def has_tag(self, name):
        return name in [tag.lower() for tag in self.tags]


class Notebook:
    """Notes in the order in which they were added."""

    def __init__(self):
        self.notes = []

    def add(self, text, *tags):
        note = Note(text)
        note.tag(*tags)
        self.notes.append(note)
        return note

    def find(self, word="", tags=()):
        """Notes that contain the word (any case) and have all the tags."""
        return [
            note
            for note in self.notes
            if word.lower() in note.text.lower() and all(note.has_tag(tag) for tag in tags)
        ]

    def tag_counts(self):
        """How many notes have each tag, most first, then by name; tags in lower case."""
        counts = {}
        for note in self.notes:
            for tag in note.tags:
                counts[tag.lower()] = counts.get(tag.lower(), 0) + 1
        return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
