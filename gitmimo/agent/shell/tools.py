"""What a model may ask for, and what it asked for: functions offered to it, actions read from its reply.

The text protocol, which models fall back into, is read in `text_protocol.py`.
"""

import ast
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from gitmimo.agent.prompts import read_json
from gitmimo.agent.shell.text_protocol import NO_ACTION, clean_path, parse_text
from gitmimo.records import Action, ActionKind, Reply, Tool, ToolCall

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
_PATCH_IN_SHELL = re.compile(r"\s*apply_patch\s*<<-?\s*\S+[ \t]*\n(.*\*\*\* End Patch)\n\w+\s*\Z", re.DOTALL)
_CALL_IN_TEXT = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)


def with_call_ids(reply: Reply, step: int) -> Reply:
    """The reply with an id for each call, all different: some servers send none, or the same one again."""
    seen: set[str] = set()
    calls: list[ToolCall] = []
    for index, call in enumerate(reply.tool_calls):
        own = call.id if call.id and call.id not in seen else f"call_{step}_{index}"
        seen.add(own)
        calls.append(replace(call, id=own))
    return replace(reply, tool_calls=tuple(calls))


def read_actions(reply: Reply, *, protocol: str) -> tuple[Action, ...]:
    """The actions of a reply, at least one: INVALID with the reason when it has none.

    With the tools protocol, calls that were written as text are understood too, and so is the text protocol: models
    fall back into it. A reply cut at the output limit never runs what is incomplete.
    """
    cut = reply.finish_reason == "length"
    if protocol == "tools" or reply.tool_calls:
        calls = reply.tool_calls or calls_in_text(reply.text)
        if calls:
            return parse_calls(calls, cut=cut)
    actions = parse_text(reply.text, cut=cut)
    if protocol == "tools" and all(action.kind is ActionKind.INVALID for action in actions):
        actions = ()
    if actions:
        return actions
    if cut:
        reason = "the reply reached the output limit before it came to an action; be brief and act"
    elif not reply.text.strip():
        reason = "the reply is empty"
    elif protocol == "tools":
        reason = (
            "the reply calls no tool. Go on, or call `finish` when the task is done, `give_up` when it can't be done"
        )
    else:
        reason = NO_ACTION
    return (Action(kind=ActionKind.INVALID, text=reason),)


def has_action(actions: Sequence[Action]) -> bool:
    """Whether there is anything to do among them."""
    return any(action.kind is not ActionKind.INVALID for action in actions)


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
        return _invalid(call, f"the arguments of `{name}` are not a JSON object")
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
        return _actions_of_patch(call, patch[1] if patch else found["patch"])
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


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any, *, most: float) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < most else None


def _invalid(call: ToolCall, reason: str) -> tuple[Action, ...]:
    return (Action(kind=ActionKind.INVALID, text=reason, call_id=call.id),)


def _actions_of_patch(call: ToolCall, patch: str) -> tuple[Action, ...]:
    """Read a patch between `*** Begin Patch` and `*** End Patch`, as models of OpenAI write it.

    An EDIT for each hunk, a WRITE for each new file, a command where a file is moved or removed. A hunk's context and
    removed lines are the passage to find; the text after `@@` is not used.
    """
    lines = [line for line in patch.splitlines() if not line.startswith(("*** Begin", "*** End"))]
    files = re.split(r"^\*\*\* (Add|Update|Delete) File: (.+)\n?", "\n".join(lines), flags=re.MULTILINE)
    actions: list[Action] = []
    for kind, name, body in zip(files[1::3], files[2::3], files[3::3], strict=True):
        path = clean_path(name)
        if kind == "Delete":
            actions.append(Action(kind=ActionKind.SHELL, text=f"rm -- {shlex.quote(path)}", call_id=call.id))
        elif kind == "Add":
            text = re.sub(r"^\+", "", body.removesuffix("\n"), flags=re.MULTILINE)
            actions.append(Action(kind=ActionKind.WRITE, path=path, text=f"{text}\n", call_id=call.id))
        else:
            actions += _updates(call, path, body.removesuffix("\n").split("\n"))
    return tuple(actions) or _invalid(call, "the patch can't be read: it changes no file")


def _updates(call: ToolCall, path: str, lines: Sequence[str]) -> list[Action]:
    hunks: list[tuple[list[str], list[str]]] = [([], [])]
    moved = lines[0].removeprefix("*** Move to: ") if lines[0].startswith("*** Move") else ""
    for line in lines[1 if moved else 0 :]:
        if line.startswith("@@"):
            hunks.append(([], []))
        elif line[:1] not in ("", " ", "+", "-"):
            return list(_invalid(call, f"the patch can't be read: no hunk for `{path}` begins with {line[:60]}"))
        for side, kept in zip("-+", hunks[-1], strict=True):
            if line[:1] in (" ", "", side):
                kept.append(f"{line[1:]}\n")
    edits = [("".join(old), "".join(new)) for old, new in hunks if old != new]
    actions = [Action(kind=ActionKind.EDIT, path=path, old=old, text=new, call_id=call.id) for old, new in edits]
    if moved:
        place = PurePosixPath(clean_path(moved))
        command = f"mkdir -p -- {shlex.quote(str(place.parent))} && mv -- {shlex.quote(path)} {shlex.quote(str(place))}"
        actions.append(Action(kind=ActionKind.SHELL, text=command, call_id=call.id))
    return actions or list(_invalid(call, f"the patch can't be read: no change for `{path}`"))
