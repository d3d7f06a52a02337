"""A line that begins with a slash, as the words of a git-mimo command."""

import re
import shlex


def slash_words(text: str) -> list[str] | None:
    """The words of a slash line, `help` for a lone slash; None for any other line, such as `/usr/bin is full`."""
    found = re.fullmatch(r"/([a-z][a-z-]*|\?)?(?:\s+(.*))?", text.strip(), re.S)
    if found is None:
        return None
    name = {None: "help", "?": "help", "q": "quit", "exit": "quit"}.get(found[1], found[1])
    return [str(name), *_split(found[2] or "")]


def is_question(text: str) -> bool:
    """Whether a line ends as questions do in most scripts; any other line is a task."""
    return text.rstrip().endswith(("?", "？", "؟"))


def _split(text: str) -> list[str]:
    """Split as a shell would; at white space where a quote, as in `don't`, does not close."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()
