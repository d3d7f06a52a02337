"""An example conversation in the text protocol: small models follow an example better than instructions."""

from gitmimo.records import Message

_TURNS = (
    "# Task\n\nThe files one.txt and two.txt say Helo; they must say Hello.",
    "I look at the files.\n```bash\ncat one.txt two.txt\n```",
    "Step 1: exit 0\n<output>\nHelo world\nHelo again\n</output>",
    "I change the first.\n```bash\nsed -i 's/Helo/Hello/' one.txt\n```",
    "Step 2: exit 0, no output",
    "I change the second.\n```bash\nsed -i 's/Helo/Hello/' two.txt\n```",
    "Step 3: exit 0, no output",
    "I look whether anything is left.\n```bash\ngrep -c Helo one.txt two.txt\n```",
    "Step 4: exit 1\n<output>\none.txt:0\ntwo.txt:0\n</output>",
    "FINISH: both files say Hello",
)
NEXT_TASK = "Done. Now another folder and another task.\n\n"
"""Stands before the real task, after the example."""


def example() -> tuple[Message, ...]:
    """The conversation, to be put before the task."""
    return tuple(
        Message(role="user" if number % 2 == 0 else "assistant", content=text) for number, text in enumerate(_TURNS)
    )
