"""The command reference docs/commands.md."""

from collections.abc import Iterator, Sequence

from gitmimo.cli.manual.entries import Entry
from gitmimo.cli.manual.shared import EXIT_CODES, FILES, JSON_TEXT, SETTINGS_ORDER, settings


def write_reference(entries: Sequence[Entry]) -> str:
    """The whole document."""
    return "\n".join(_lines(entries)) + "\n"


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    top, *commands = entries
    yield "# Commands"
    yield ""
    yield "<!-- made from the command line itself by `python -m gitmimo.cli.manual --write`; not to be edited -->"
    yield ""
    yield "Every command answers `-h`; `git help mimo` opens the same as a manual page."
    yield ""
    for entry in commands:
        if len(entry.path) == 1:
            yield f"- [`{entry.name}`](#git-mimo-{entry.path[0]}): {entry.line}"
    for entry in commands:
        yield ""
        yield f"{'##' if len(entry.path) == 1 else '###'} git mimo {entry.name}"
        yield ""
        yield f"    {entry.usage}"
        for paragraph in entry.paragraphs:
            yield ""
            if paragraph.startswith("\b"):
                yield from (f"    {line}" for line in paragraph.splitlines()[1:])
            else:
                yield " ".join(paragraph.split()).replace("<", "\\<")
        if entry.options:
            yield ""
            yield from _table(("option", "what it does"), [(f"`{o.spelled}`", o.help) for o in entry.options])
        if entry.examples:
            yield from ("", "```sh", *entry.examples, "```")
    yield from ("", "## Settings", "", SETTINGS_ORDER, "")
    rows = [
        (f"`{o.name}`", o.meaning + (f" ({', '.join(o.choices)})" if o.choices else ""), default, f"`{o.variable}`")
        for o, default in settings()
    ]
    yield from _table(("setting", "what it says", "default", "variable"), rows)
    yield from ("", "## Output for programs", "", JSON_TEXT)
    yield from ("", "## Exit codes", "")
    yield from _table(("code", "meaning"), EXIT_CODES)
    yield from ("", "## Files", "")
    yield from _table(("place", "what is there"), [(f"`{name}`", meaning) for name, meaning in FILES])
    yield from ("", "## Options of git mimo itself", "")
    yield from _table(("option", "what it does"), [(f"`{o.spelled}`", o.help) for o in top.options])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")
