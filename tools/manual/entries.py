"""Every command with its options, in click's own words: those that answer `-h` too."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from gitmimo.cli.help import EXAMPLES
from gitmimo.cli.main import COMMANDS, cli


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command. `path` is empty for `git mimo` itself; options are pairs of how they are written and their help."""

    path: tuple[str, ...]
    line: str
    usage: str
    paragraphs: tuple[str, ...]  # one that begins with a backspace keeps its lines
    options: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]
    is_group: bool

    @property
    def name(self) -> str:
        return " ".join(self.path)


def read_entries() -> tuple[Entry, ...]:
    """Walk the whole command line: `git mimo` first, then in the order of the help, groups before their commands."""
    return tuple(_walk(cli, ()))


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[Entry]:
    context = click.Context(command, info_name=" ".join(("git mimo", *path)))
    records = (option.get_help_record(context) for option in command.params if isinstance(option, click.Option))
    has_options = any(isinstance(option, click.Option) for option in command.params)
    pieces = [piece for piece in command.collect_usage_pieces(context) if has_options or piece != "[OPTIONS]"]
    yield Entry(
        path=path,
        line=COMMANDS[path[0]][1] if len(path) == 1 else command.get_short_help_str(limit=200),
        usage=" ".join([context.command_path, *pieces]),
        paragraphs=tuple(inspect.cleandoc(command.help or "").split("\n\n")),
        options=tuple((names, " ".join(text.split())) for names, text in filter(None, records)),
        examples=EXAMPLES.get(" ".join(path), ()),
        is_group=isinstance(command, click.Group),
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _walk(child, (*path, name))
