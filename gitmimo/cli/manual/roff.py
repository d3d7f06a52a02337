"""The manual page git-mimo(1), written for man-db and mandoc alike."""

from collections.abc import Iterable, Iterator, Sequence

from gitmimo.cli.manual.entries import Entry
from gitmimo.cli.manual.shared import EXIT_CODES, FILES, JSON_TEXT, SETTINGS_ORDER, settings


def write_page(entries: Sequence[Entry]) -> str:
    """The whole page. It carries no date and no version, so that it changes only when a command does."""
    lines = list(_lines(entries))
    # a heading begins a paragraph by itself
    kept = [
        line for before, line in zip(["", *lines], lines, strict=False) if not (line == ".PP" and before[:2] == ".S")
    ]
    return "\n".join(kept) + "\n"


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    top, *commands = entries
    yield '.\\" Made from the command line itself by `python -m gitmimo.cli.manual --write`; not to be edited.'
    yield '.TH GIT\\-MIMO 1 "" "git\\-mimo" "git\\-mimo manual"'
    yield ".SH NAME"
    yield "git\\-mimo \\- a coding agent that lives in git"
    yield ".SH SYNOPSIS"
    yield ".nf"
    yield "git mimo [\\-v] COMMAND [OPTIONS] [ARGUMENTS]"
    yield "git mimo COMMAND \\-h"
    yield ".fi"
    yield ".SH DESCRIPTION"
    for paragraph in top.paragraphs:
        yield from _paragraph(paragraph)
    yield from _examples(top)
    yield ".PP"
    yield "The commands, in the order in which they are met:"
    yield from _items((entry.name, entry.line) for entry in commands if len(entry.path) == 1)
    yield ".SH OPTIONS"
    yield from _options(top)
    yield ".SH COMMANDS"
    for entry in commands:
        yield f'.SS "{_escape(entry.usage)}"'
        for paragraph in entry.paragraphs:
            yield from _paragraph(paragraph)
        yield from _options(entry)
        yield from _examples(entry)
    yield ".SH CONFIGURATION"
    yield from _settings()
    yield ".SH OUTPUT FOR PROGRAMS"
    yield from _text(JSON_TEXT)
    yield ".SH EXIT STATUS"
    yield from _items(EXIT_CODES)
    yield ".SH FILES"
    yield from _items(FILES)
    yield ".SH SEE ALSO"
    yield "git(1), git\\-worktree(1), git\\-notes(1), git\\-config(1)"


def _settings() -> Iterator[str]:
    yield from _text(SETTINGS_ORDER)
    for option, default in settings():
        about = option.meaning + (f"; one of {', '.join(option.choices)}" if option.choices else "")
        yield from _item(f"mimo.{option.name}", f"{about}{f' (default: {default})' if default else ''}")
    yield from _item(
        "mimo.MODEL.price", "USD per million tokens: of the prompt, of the reply, and (optional) of cached prompt"
    )
    yield from _item("mimo.MODEL.window", "tokens that the model takes, prompt and reply together")


def _options(entry: Entry) -> Iterator[str]:
    yield from _items((option.spelled, option.help) for option in entry.options)


def _examples(entry: Entry) -> Iterator[str]:
    if entry.examples:
        yield ".PP"
        yield "Examples:"
        yield ".PP"
        yield ".nf"
        yield ".RS 4"
        yield from (_escape(line) for line in entry.examples)
        yield ".RE"
        yield ".fi"


def _paragraph(paragraph: str) -> Iterator[str]:
    if paragraph.startswith("\b"):
        yield from (".PP", ".nf", *(_escape(line) for line in paragraph.splitlines()[1:]), ".fi")
    elif paragraph:
        yield ".PP"
        yield from _text(" ".join(paragraph.split()))


def _items(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in pairs:
        yield from _item(name, meaning)


def _item(name: str, meaning: str) -> Iterator[str]:
    yield ".TP"
    yield f"\\fB{_escape(name)}\\fR"
    yield from _text(meaning)


def _text(text: str) -> Iterator[str]:
    """Running text, one sentence on a line; text in backquotes is bold."""
    parts = _escape(text).split("`")
    if len(parts) % 2:
        text = "".join(f"\\fB{part}\\fR" if index % 2 else part for index, part in enumerate(parts))
    yield from text.replace(". ", ".\n").splitlines()


def _escape(text: str) -> str:
    """Text as roff shows it: no dot or quote at the start of a line makes a request, no hyphen becomes a dash."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("…", "...")
    safe = safe.replace("'", "\\(aq")
    return f"\\&{safe}" if safe.startswith(".") else safe
