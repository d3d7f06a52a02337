"""Reading settings from plain text."""


def read(text, into={}):
    """A dictionary of the lines `key = value`, both stripped; empty lines and lines that begin with # are skipped.

    With `into`, the settings are added to that dictionary, later ones replacing earlier ones, and it is returned;
    without it, to a new empty one.
    """
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"line {number}: no =")
        into[key.strip()] = value.strip()
    return into


def read_all(texts):
    """The settings of several texts together, the last text being the strongest."""
    found = {}
    for text in texts:
        read(text, found)
    return found
