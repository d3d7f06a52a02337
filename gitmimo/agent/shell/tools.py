"""The tools protocol: functions offered to a model, and actions read from its calls."""

import ast
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from gitmimo.agent.prompts import read_json
from gitmimo.agent.shell.text_protocol import clean_path
from gitmimo.records import Action, ActionKind, Tool, ToolCall

_LATER = ("note", "plan")  # understood at any time


@cache
def offered_tools(*, is_folded: bool = False) -> tuple[Tool, ...]:
    """The functions that a model may call, in a fixed order: the bytes that providers cache start with them.

    `note` and `plan` are of use, and offered, once older steps are folded into a summary.
    """
    tools = tuple(Tool(**each) for each in read_json("tools"))
    return tools if is_folded else tuple(tool for tool in tools if tool.name not in _LATER)


_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "shell": ("command",), "read": ("path",), "edit": ("path",), "write": ("path", "content"), "show": ("output",),
    "finish": ("summary",), "give_up": ("reason",), "note": ("text",), "plan": ("text",), "apply_patch": ("patch",),
}  # fmt: skip
_PREFIX = re.compile(r"^(?:functions?|tools?|default_api)[.:/]+")
_CALL_IN_TEXT = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)
_FILE = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$")
_MOVE = re.compile(r"^\*\*\* Move to: (.+)$")
_PATCH_IN_SHELL = re.compile(r"\s*apply_patch\s*<<-?\s*['\"]?(\w+)['\"]?[ \t]*\n(.*?)\n\1\s*\Z", re.DOTALL)


def parse_calls(calls: Sequence[ToolCall], *, cut: bool = False) -> tuple[Action, ...]:
    """Read the actions of each call, in order: one, or several with the call's id where it asks for several edits.

    What can't be read becomes INVALID with the reason. `cut` says that the reply ended at the output limit: a last call
    whose arguments are incomplete is explained by that.
    """
    return tuple(action for call in calls for action in _parse_call(call, cut=cut and call is calls[-1]))


def calls_in_text(text: str) -> tuple[ToolCall, ...]:
    """Calls that a model wrote as text, in `<tool_call>` marks, because its server has no parser for them."""
    found = []
    for match in _CALL_IN_TEXT.finditer(text):
        value = _read_object(match[1])
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            arguments = value.get("arguments", value.get("parameters", {}))
            as_text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            found.append(ToolCall(id="", name=value["name"], arguments=as_text))
    return tuple(found)


def _parse_call(call: ToolCall, *, cut: bool) -> tuple[Action, ...]:
    name = _PREFIX.sub("", call.name.strip())
    name = _spellings()["tools"].get(name.lower(), name.lower())
    if name not in _ARGUMENTS:
        known = ", ".join(tool.name for tool in offered_tools())
        return _invalid(call, f"there is no tool `{call.name[:60]}`; there are {known}")
    values = _read_object(call.arguments or "{}")
    if not isinstance(values, dict):
        if cut:
            return _invalid(
                call, f"the call of `{name}` was cut at the output limit and not run; send less in one reply"
            )
        return _invalid(call, f"the arguments of `{name}` are not a JSON object: {_json_error(call.arguments)}")
    found: dict[str, str] = {}
    for argument in _ARGUMENTS[name]:
        value = _value(values, argument)
        if value is None:
            given = ", ".join(sorted(map(str, values))) or "nothing"
            return _invalid(call, f"`{name}` needs `{argument}`; given: {given[:120]}")
        found[argument] = _as_text(value)
    return _actions(call, name, found, values)


def _actions(call: ToolCall, name: str, found: Mapping[str, str], values: Mapping[str, Any]) -> tuple[Action, ...]:
    """The actions of a call whose required arguments were found."""
    if name == "edit":
        return _edits(call, clean_path(found["path"]), values)
    patch = _PATCH_IN_SHELL.match(found["command"]) if name == "shell" else None
    if patch or name == "apply_patch":
        try:
            return actions_of_patch(patch[2] if patch else found["patch"], call_id=call.id)
        except BadPatch as exc:
            return _invalid(call, f"the patch can't be read: {exc}")
    action = Action(kind=ActionKind(name), text=next(iter(found.values())), call_id=call.id)
    if name == "write":
        return (replace(action, path=clean_path(found["path"]), text=found["content"]),)
    if name == "shell":
        return (replace(action, timeout_s=_number(_value(values, "timeout"), most=1e6)),)
    if name in ("read", "show"):
        first, last = (int(_number(_value(values, key), most=1e9) or 0) for key in ("first", "last"))
        action = replace(action, first=first, last=last)
        return (replace(action, path=clean_path(action.text), text="") if name == "read" else action,)
    if name == "finish" and isinstance(title := values.get("title"), str):
        return (replace(action, title=" ".join(title.split())),)
    return (action,)


def _edits(call: ToolCall, path: str, values: Mapping[str, Any]) -> tuple[Action, ...]:
    edits = values.get("edits", values.get("replacements"))
    if isinstance(edits, str):
        edits = _read_object(edits)
    if isinstance(edits, dict):
        edits = [edits]
    made = []
    for edit in [values] if edits is None else edits if isinstance(edits, list) else []:
        old, new = (_value(edit, key) if isinstance(edit, dict) else None for key in ("old", "new"))
        if old is None or new is None:
            return _invalid(call, "each of `edits` needs `old` and `new`")
        action = Action(kind=ActionKind.EDIT, path=path, old=_as_text(old), text=_as_text(new), call_id=call.id)
        made.append(replace(action, replace_all=edit.get("replace_all") in (True, "true", "True")))
    return tuple(made) or _invalid(call, "`edits` is not a list of edits")


@cache
def _spellings() -> Any:
    """Other names that models give to tools and arguments."""
    return read_json("spellings")


def _value(values: Mapping[str, Any], argument: str) -> Any:
    known = _spellings()["arguments"][argument]
    return next((values[key] for key in known if values.get(key) is not None), None)


def _read_object(text: str) -> Any:
    """JSON as models write it: raw line ends in strings, Python's spelling, a trailing comma; None if hopeless."""
    for candidate in (text, re.sub(r",\s*([}\]])", r"\1", text)):
        try:
            value = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, str):  # encoded twice
            return _read_object(value) if value != text else None
        return value
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _json_error(text: str) -> str:
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as exc:
        return f"{exc.msg} at character {exc.pos} of {len(text)}"
    except RecursionError:
        return "nested too deeply"
    return "another kind of value"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        if len(value) == 3 and value[0] in ("bash", "sh", "/bin/bash") and value[1] in ("-c", "-lc"):
            return str(value[2])  # as Codex's shell tool takes a command
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any, *, most: float) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < most:
        return None
    return float(value)


def _invalid(call: ToolCall, reason: str) -> tuple[Action, ...]:
    return (Action(kind=ActionKind.INVALID, text=reason, call_id=call.id),)


# --- patches between `*** Begin Patch` and `*** End Patch`, as models of OpenAI write them ----------------------------


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
