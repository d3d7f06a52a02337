"""Short previews for lists of messages."""

DOTS = "..."


def shorten(text, limit):
    """The text with runs of white space made one space, in at most `limit` characters.

    A text that is too long is cut and ends in three dots, which count too. Where the limit is smaller than
    the dots themselves, the text is cut without dots.
    """
    if limit < 0:
        raise ValueError("limit must not be negative")
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return text[:limit - len(DOTS)] + DOTS


def inbox(messages, limit):
    """One numbered line for each message, the number not counted in the limit."""
    return [f"{number}. {shorten(message, limit)}" for number, message in enumerate(messages, 1)]
