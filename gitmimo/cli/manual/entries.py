"""Every command with its options, read from the declarations that answer `-h` too."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

import click

from gitmimo.cli.examples import EXAMPLES
from gitmimo.cli.main import COMMANDS, cli

_ROUGH_TYPES = {"integer": "N", "integer range": "N", "float": "NUMBER", "float range": "NUMBER", "path": "PATH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An option or, without names, an argument."""

    names: tuple[str, ...]
    off_names: tuple[str, ...]
    value: str  # the value's placeholder in texts; empty for a flag
    help: str
    is_required: bool = False
    is_repeatable: bool = False

    @property
    def spelled(self) -> str:
        """As it is written in a list of options."""
        names = ", ".join(self.names) + (" / " + ", ".join(self.off_names) if self.off_names else "")
        return f"{names} {self.value}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command. `path` is empty for `git mimo` itself; `children` are the words that may follow it."""

    path: tuple[str, ...]
    line: str
    paragraphs: tuple[str, ...]  # one that begins with a backspace keeps its lines
    options: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...]
    children: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def usage(self) -> str:
        """The command line in one line."""
        words = ["git mimo", *self.path]
        words += ["[OPTIONS]"] if self.options else []
        words += ["COMMAND ..."] if self.children else []
        words += [
            (a.value if a.is_required else f"[{a.value}]") + ("..." if a.is_repeatable else "") for a in self.arguments
        ]
        return " ".join(words)


def read_entries() -> tuple[Entry, ...]:
    """Walk the whole command line: `git mimo` first, then in the order of the help, groups before their commands."""
    return tuple(_walk(cli, ()))


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[Entry]:
    context = click.Context(command, info_name=" ".join(("git mimo", *path)))
    children: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        children = [(name, child) for name, child in found if child is not None and not child.hidden]
    parameters = [p for p in command.params if not getattr(p, "hidden", False)]
    yield Entry(
        path=path,
        line=COMMANDS[path[0]][1] if len(path) == 1 else first_sentence(command),
        paragraphs=tuple(inspect.cleandoc(command.help or "").split("\n\n")),
        options=tuple(_parameter(p) for p in parameters if isinstance(p, click.Option)),
        arguments=tuple(_parameter(p) for p in parameters if isinstance(p, click.Argument)),
        children=tuple((name, COMMANDS[name][1] if not path else first_sentence(child)) for name, child in children),
        examples=EXAMPLES.get(" ".join(path), ()),
    )
    for name, child in children:
        yield from _walk(child, (*path, name))


def first_sentence(command: click.Command) -> str:
    """What a command does, from its help, in the form of the list of commands."""
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    sentence = text.split(". ")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def _parameter(parameter: click.Parameter) -> Parameter:
    choices = tuple(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else ()
    is_option = isinstance(parameter, click.Option)
    value = parameter.metavar or (
        "|".join(choices)
        or ("" if is_option else (parameter.name or "").upper())
        or _ROUGH_TYPES.get(parameter.type.name, "TEXT")
    )
    text = ""
    if isinstance(parameter, click.Option):
        value = "" if parameter.is_flag else value
        text = " ".join((parameter.help or "").split())
        if parameter.show_default and isinstance(parameter.default, str | int | float):
            text = f"{text} [default: {parameter.default}]".strip()
        text = f"{text} Required.".strip() if parameter.required else text
    return Parameter(
        names=tuple(parameter.opts) if is_option else (),
        off_names=tuple(parameter.secondary_opts),
        value=value,
        help=text,
        is_required=parameter.required,
        is_repeatable=parameter.nargs == -1 or getattr(parameter, "multiple", False),
    )
