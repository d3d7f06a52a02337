"""The only module that prints: data to stdout, messages to stderr, outside text escaped."""

import functools
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from gitmimo.errors import MimoError

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


def out(text: str = "") -> None:
    """Write a line of data to stdout."""
    from gitmimo.text import escape_controls

    sys.stdout.write(escape_controls(text) + "\n")


def out_raw(text: str) -> None:
    """Write text that is already escaped and may have our own colours."""
    sys.stdout.write(text)


def flush() -> None:
    """Flush stdout."""
    sys.stdout.flush()


def emit_json(schema: str, value: Any) -> int:
    """Write a record, or a mapping with records in it, as one JSON object on one line of stdout; returns 0."""
    import json

    from gitmimo.codec import to_json

    named = {"schema": f"git-mimo/{schema}", **to_json(value)}
    sys.stdout.write(json.dumps(named, ensure_ascii=True, separators=(",", ":")) + "\n")
    return 0


def say(text: str) -> None:
    """Write a message to stderr."""
    from gitmimo.text import escape_controls

    sys.stderr.write(escape_controls(text) + "\n")


def hint(text: str) -> None:
    """Write lines that can be pasted to stderr."""
    for line in text.splitlines():
        say(f"hint: {line}")


def fatal(message: str, *, hint: str = "", word: str = "fatal") -> None:
    """Write an expected failure to stderr, with lines that can be pasted."""
    for line in (f"{word}: {message}", *(f"hint: {line}" for line in hint.splitlines())):
        say(line)


def bug(exc: BaseException) -> None:
    """Write an unexpected failure with the place where it happened, without values of variables."""
    import traceback

    frames = traceback.extract_tb(exc.__traceback__)[-4:]
    say(f"fatal: unexpected {type(exc).__name__}: {exc}")
    for frame in frames:
        say(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}")
    say("hint: this is a bug in git-mimo; `git mimo -v ...` shows more, `git mimo undo --list` what was moved")


def detach_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wants_colour(stream: TextIO) -> bool:
    """Colours only on a terminal that can show them, never with NO_COLOR, nor where git's `color.ui` says no."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return _git_allows_colour()


@functools.cache
def _git_allows_colour() -> bool:
    from gitmimo.git.run import run_git

    try:
        said = run_git(["config", "--get-colorbool", "color.mimo", "true"], check=False).stdout
    except MimoError:  # no git, which is reported elsewhere
        return True
    return said.strip() != b"false"


def paint(text: str, style: str, *, stream: TextIO | None = None) -> str:
    """Make text from outside visible and colour it when the stream shows colours."""
    from gitmimo.text import escape_controls

    safe = escape_controls(text)
    if not wants_colour(stream or sys.stdout):
        return safe
    return f"\x1b[{_CODES[style]}m{safe}\x1b[0m"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows as columns without rules; the last is not padded, and lines are cut at the terminal's width."""
    from gitmimo.text import escape_controls

    cells = [list(headings), *([escape_controls(cell, newlines=False) for cell in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(headings))]
    room = 0
    if sys.stdout.isatty():
        import shutil

        room = shutil.get_terminal_size().columns
    lines = []
    for row in cells:
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row[:-1], widths, strict=False)]
        line = "  ".join([*padded, row[-1]]).rstrip()
        lines.append(_cut(line, room) if room else line)
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    """Cut a text at this many columns; a cut text ends in `…`."""
    if _width(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"


def page(text: str) -> None:
    """Show a text through the user's pager, or plainly where stdout is no terminal or the pager is `cat`."""
    if not sys.stdout.isatty() or os.environ.get("GIT_PAGER_IN_USE"):
        out_raw(text)
        return
    import shutil
    import subprocess

    from gitmimo.git.run import clean_environment, user_program

    pager = user_program("GIT_PAGER") or "less"
    program = (shlex.split(pager) or ["cat"])[0]
    if program == "cat" or not shutil.which(program):
        out_raw(text)
        return
    environment = clean_environment() | {"LESS": os.environ.get("LESS", "FRX"), "LV": os.environ.get("LV", "-c")}
    flush()
    with subprocess.Popen(["sh", "-c", pager], stdin=subprocess.PIPE, env=environment) as process:
        process.communicate(text.encode(errors="replace"))
