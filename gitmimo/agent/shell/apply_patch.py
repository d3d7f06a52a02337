"""Patches between `*** Begin Patch` and `*** End Patch`, as models of OpenAI write them, read as edits and writes."""

import re
import shlex
from collections.abc import Sequence

from gitmimo.agent.shell.text_protocol import clean_path
from gitmimo.records import Action, ActionKind

_FILE = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$")
_MOVE = re.compile(r"^\*\*\* Move to: (.+)$")


class BadPatch(ValueError):
    """Why a patch can't be read."""


def actions_of_patch(patch: str, *, call_id: str) -> tuple[Action, ...]:
    """Read a patch: an EDIT for each hunk, a WRITE for each new file, a command where a file is moved or removed.

    A hunk's context and removed lines are the passage to find; the text after `@@` is not used, as a passage that
    occurs more than once is refused. Raises BadPatch.
    """
    lines = [line.rstrip("\r") for line in patch.strip("\n").split("\n")]
    at = next((number for number, line in enumerate(lines) if _FILE.match(line)), None)
    if at is None:
        raise BadPatch("no line `*** Update File: PATH`, `*** Add File: PATH` or `*** Delete File: PATH`")
    actions: list[Action] = []
    while at < len(lines) and (header := _FILE.match(lines[at])):
        end = at + 1
        while end < len(lines) and not _FILE.match(lines[end]) and lines[end].strip() != "*** End Patch":
            end += 1
        actions += _actions_of_file(header[1], clean_path(header[2]), lines[at + 1 : end], call_id)
        at = end
    return tuple(actions)


def _actions_of_file(kind: str, path: str, body: Sequence[str], call_id: str) -> list[Action]:
    if kind == "Delete":
        return [Action(kind=ActionKind.SHELL, text=f"rm -- {shlex.quote(path)}", call_id=call_id)]
    if kind == "Add":
        if any(line[:1] != "+" for line in body):
            raise BadPatch(f"a line of the new file `{path}` does not begin with `+`")
        text = "".join(f"{line[1:]}\n" for line in body)
        return [Action(kind=ActionKind.WRITE, path=path, text=text, call_id=call_id)]
    moved = _MOVE.match(body[0]) if body else None
    edits = [
        Action(kind=ActionKind.EDIT, path=path, old=old, text=new, call_id=call_id)
        for old, new in _hunks(body[1:] if moved else body, path)
    ]
    if moved:
        new_path = clean_path(moved[1])
        folder = new_path.rpartition("/")[0] or "."
        command = f"mkdir -p -- {shlex.quote(folder)} && mv -- {shlex.quote(path)} {shlex.quote(new_path)}"
        edits.append(Action(kind=ActionKind.SHELL, text=command, call_id=call_id))
    if not edits:
        raise BadPatch(f"no change for `{path}`")
    return edits


def _hunks(body: Sequence[str], path: str) -> list[tuple[str, str]]:
    """The passages to find and what replaces them, one pair a hunk."""
    hunks: list[tuple[list[str], list[str]]] = [([], [])]
    for line in body:
        mark, text = line[:1], line[1:]
        if line.startswith("@@"):
            hunks.append(([], []))
        elif line.strip() == "*** End of File":
            continue
        elif mark in ("", " ", "+", "-"):
            for side, lines in zip("-+", hunks[-1], strict=True):
                if mark in (" ", "", side):
                    lines.append(text)
        else:
            raise BadPatch(f"a line of the hunk for `{path}` begins with neither ` `, `+` nor `-`: {line[:60]}")
    return [
        ("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)) for old, new in hunks if old != new
    ]
