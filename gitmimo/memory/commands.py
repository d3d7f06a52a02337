"""What a candidate's recorded steps say: its notes, the commands that had an effect, the forms that work, operations.

An operation is a plain shell script of the commands that worked, with its task's values as variables.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitmimo.agent.shell.context import note_lines
from gitmimo.memory.templates import EDGES, name_for, put_names, script_head
from gitmimo.records import ActionKind, Step

_WORD = re.compile(r"\S+")
_LOOKS = frozenset(
    _WORD.findall(
        "ls pwd cat head tail less more grep rg find which type wc file stat tree diff test true false echo printf sort"
        " uniq cut tr sleep clear date whoami id env printenv cd ps ss netstat ["
    )
)
# and programs whose effect on files is better said by the files' diff, and a shell's own words
_NOT_KEPT = _LOOKS.union(
    _WORD.findall(
        "sed awk tee cp mv rm mkdir rmdir touch chmod ln dd perl patch git xargs history export set unset source exit"
        " if then else fi for do done while [[ :"
    )
)
_TEST_RUN = re.compile(
    r"(?:^|[\s/])(?:pytest|unittest|tox|nox|ctest|rspec|jest|vitest|mocha)(?=\s|$)"
    r"|\b(?:npm|yarn|go|cargo|make)(?: run)? \w*test\b"
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SCRIPT = re.compile(r"[\w./-]+\.(?:sh|py|js|ts|rb|pl|mk)\b|\b(?:make|npm run) [\w:-]+")
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


def noted_texts(steps: Sequence[Step]) -> tuple[str, ...]:
    """The candidate's own notes, in order."""
    found: list[str] = []
    for step in steps:
        found += note_lines(step)
        found += [action.text for action in step.actions if action.kind is ActionKind.NOTE]
    return tuple(" ".join(text.split()) for text in found)


def effective_commands(steps: Sequence[Step]) -> tuple[str, ...]:
    """The commands that exited with 0 and do more than look, edit or test, each once, in the order of their last run.

    Chains are taken apart; what needs a shell's loops or here-documents stays whole.
    """
    done = [part for text, code in _shell_runs(steps) if code == 0 for part in split_chain(text)]
    return _by_last_run(part for part in done if _has_effect(part))


def working_forms(steps: Sequence[Step], *, is_project_file: Callable[[str], bool]) -> tuple[tuple[str, str], ...]:
    """Pairs of commands of one script of the project: the form that failed throughout, and one that worked later."""
    runs = [(part, code) for text, code in _shell_runs(steps) for part in split_chain(text)]
    worked = {part for part, code in runs if code == 0}
    found: dict[tuple[str, str], None] = {}
    for number, (failed, code) in enumerate(runs):
        if not code or failed in worked or _TEST_RUN.search(failed):
            continue
        for script in _SCRIPT.findall(failed):
            if not (" " in script or is_project_file(script.removeprefix("./"))):
                continue
            later = (p for p, code in runs[number + 1 :] if code == 0 and script in p and _has_effect(p))
            if (right := next(later, None)) is not None:
                found[failed, right] = None
    return tuple(found)


def distil_operation(
    steps: Sequence[Step], *, task: str, accept: Sequence[str], grants: Sequence[str] = ()
) -> Operation | None:
    """Return the operation that a candidate's steps performed; None when no command had an effect.

    Kept are commands that exited with 0 and do more than look, each in its own shell as it was run, in the order of
    their last run. A value becomes a variable where the task says it.
    """
    wanted = {" ".join(command.split()) for command in accept}
    done = [text for text, code in _shell_runs(steps) if code == 0 and " ".join(text.split()) not in wanted]
    commands = _by_last_run(text for text in done if not is_readonly_command(text))
    if not commands:
        return None
    values = find_values(task, commands)
    body = "\n".join(_in_own_shell(put_names(command, values, form="${%s}")) for command in commands)
    named_task = put_names(task, values, form="{%s}")
    return Operation(
        task=named_task,
        script=f"{script_head(named_task, values)}{body}\n",
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


def is_readonly_command(command: str) -> bool:
    """Whether every part of a command only looks, waits or tests: nothing of it needs to be done again."""
    parts = re.split(r"\s*(?:&&|\|\||;|\||\n)\s*", command)
    return all(not part or _is_readonly_part(part) for part in parts)


def split_chain(text: str) -> tuple[str, ...]:
    """The commands that a shell text runs one after the other; one with loops, pipes or here-documents as a whole."""
    if re.search(r"<<|\|(?!\|)|\b(?:for|while|if|case)\b.*\bdo\b|\$\(|`|\|\||[({]\s", text):
        return (text.strip(),)
    return tuple(part.strip() for part in re.split(r"\s*(?:&&|;|\n)\s*", text) if part.strip())


def _shell_runs(steps: Sequence[Step]) -> Iterator[tuple[str, int | None]]:
    for step in steps:
        for action, observation in zip(step.actions, step.observations, strict=False):
            if action.kind is ActionKind.SHELL:
                yield action.text, observation.exit_code


def _by_last_run(commands: Iterable[str]) -> tuple[str, ...]:
    return tuple(reversed(dict.fromkeys(reversed([*commands]))))


def _in_own_shell(command: str) -> str:
    """A command as it was run: in a shell of its own where it changes directory, variables, or has several lines."""
    if re.search(r"\n|^\s*(?:cd|export|set|source|\.)\s|(?:&&|;)\s*(?:cd|export)\s", command):
        return f"(\n{command.strip()}\n)"
    return command.strip()


def _is_readonly_part(part: str) -> bool:
    if _TEST_RUN.search(part):
        return True
    words = part.split()
    writes = re.search(r"(?<![<>&\d])>{1,2}(?!&|\s*/dev/null)", part) is not None
    return words[0].rpartition("/")[2] in _LOOKS and not writes


def _has_effect(command: str) -> bool:
    if _TEST_RUN.search(command) or command.startswith("#"):
        return False
    try:
        words = shlex.split(command.split("\n")[0], comments=True)
    except ValueError:
        return False
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if not words or re.match(r"python[\d.]*|node|ruby|perl", words[0]) and words[1:2] in (["-c"], ["-e"], ["-"]):
        return False
    return words[0].rpartition("/")[2] not in _NOT_KEPT
