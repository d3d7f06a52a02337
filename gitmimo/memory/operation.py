"""An operation as a plain shell script: the commands of a candidate that worked, its task's values as variables."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitmimo.memory.templates import EDGES, name_for, put_names
from gitmimo.memory.trajectory import is_readonly_command, successful_commands
from gitmimo.records import Step

_ASSIGNED = re.compile(r"\b([A-Z][A-Z0-9_]{1,30})=([\w./:@+-]+)")
_FLAGGED = re.compile(r"--([a-z][a-z0-9-]{1,30})[= ]([\w./:@+-]+)")
_SAID = re.compile(r"[\w./:@+-]*[\d/][\w./:@+-]*")
_RESERVED = ("PATH", "HOME", "IFS", "PWD", "SHELL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A completed operation: its task and accept commands with names in place of values, the script, the values."""

    task: str
    script: str
    accept: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[str, ...] = ()


def distil_operation(
    steps: Sequence[Step], *, task: str, accept: Sequence[str], grants: Sequence[str] = ()
) -> Operation | None:
    """Return the operation that a candidate's steps performed; None when no command had an effect.

    Kept are commands that exited with 0 and do more than look, each in its own shell as it was run, in the order of
    their last run. A value becomes a variable where the task says it.
    """
    wanted = {" ".join(command.split()) for command in accept}
    commands = [
        command
        for command in successful_commands(steps)
        if not is_readonly_command(command) and " ".join(command.split()) not in wanted
    ]
    if not commands:
        return None
    values = find_values(task, commands)
    body = "\n".join(_in_own_shell(put_names(command, values, form="${%s}")) for command in commands)
    needed = "".join(f': "${{{name}:?}}"\n' for name in values)
    named_task = put_names(task, values, form="{%s}")
    return Operation(
        task=named_task,
        script=f"# {' '.join(named_task.split())}\nset -eu\n{needed}{body}\n",
        accept=tuple(put_names(command, values, form="${%s}") for command in accept),
        values=values,
        grants=tuple(grants),
    )


def find_values(task: str, commands: Sequence[str]) -> dict[str, str]:
    """Return the values in both the task and the commands, named by a variable, a flag, or the word before."""
    text = "\n".join(commands)
    named = [
        *((name, value) for name, value in _ASSIGNED.findall(text)),
        *((name.replace("-", "_").upper(), value) for name, value in _FLAGGED.findall(text)),
    ]
    words = task.split()
    for number, word in enumerate(words):
        value = word.strip(EDGES)
        if _SAID.fullmatch(value):
            named.append((name_for(words[:number], dict(named)), value))
    found: dict[str, str] = {}
    for name, value in named:
        is_said = all(re.search(rf"(?<![\w.-]){re.escape(value)}(?![\w-]|\.\w)", where) for where in (task, text))
        if len(value) > 1 and is_said and value not in found.values() and name not in (*found, *_RESERVED):
            found[name] = value
    return found


def _in_own_shell(command: str) -> str:
    """A command as it was run: in a shell of its own where it changes directory, variables, or has several lines."""
    if re.search(r"\n|^\s*(?:cd|export|set|source|\.)\s|(?:&&|;)\s*(?:cd|export)\s", command):
        return f"(\n{command.strip()}\n)"
    return command.strip()
