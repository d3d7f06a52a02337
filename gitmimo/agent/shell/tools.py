"""The tools protocol: functions offered to a model, and actions read from its calls."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gitmimo.agent.shell.reply_paths import clean_path
from gitmimo.records import Action, ActionKind, Tool, ToolCall


def _tool(name: str, description: str, required: Mapping[str, str], **optional: Mapping[str, Any]) -> Tool:
    properties: dict[str, Any] = {key: {"type": "string", "description": text} for key, text in required.items()}
    properties.update(optional)
    return Tool(
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
    )


TOOLS: tuple[Tool, ...] = (
    _tool(
        "shell",
        "Run a bash command in the worktree. Every command starts fresh there; there is no terminal and no input.",
        {"command": "the command"},
        timeout={"type": "number", "description": "limit in seconds"},
    ),
    _tool(
        "edit",
        "Replace one passage of a file. `old` must occur exactly once.",
        {"path": "path in the worktree", "old": "the passage as it stands", "new": "what replaces it"},
    ),
    _tool("write", "Write a whole file.", {"path": "path in the worktree", "content": "the whole content"}),
    _tool(
        "show", "Show the output of an earlier step again.", {"step": "its number, then lines if wanted: 12 100-180"}
    ),
    _tool("note", "Keep a fact for the rest of the work. Notes outlive the history.", {"text": "the fact"}),
    _tool("plan", "Keep the plan, replacing the one before.", {"text": "the plan, with what is done marked"}),
    _tool("finish", "The task is done.", {"summary": "what was changed and how it was checked"}),
    _tool("give_up", "The task can't be done honestly.", {"reason": "why"}),
)
"""In a fixed order: the bytes that providers cache start with them."""

_KINDS = {tool.name: ActionKind(tool.name) for tool in TOOLS}
_SYNONYMS = {
    "bash": "shell", "sh": "shell", "run": "shell", "execute": "shell", "terminal": "shell", "exec": "shell",
    "run_command": "shell", "execute_command": "shell", "execute_bash": "shell", "run_shell_command": "shell",
    "edit_file": "edit", "str_replace": "edit", "replace": "edit", "write_file": "write", "create": "write",
    "create_file": "write", "submit": "finish", "done": "finish", "giveup": "give_up",
}  # fmt: skip
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "command": ("command", "cmd", "bash", "script", "input"),
    "path": ("path", "file", "file_path", "filepath", "filename"),
    "old": ("old", "old_str", "old_string", "old_text", "search"),
    "new": ("new", "new_str", "new_string", "new_text", "replace"),
    "content": ("content", "contents", "text", "file_text", "data"),
    "step": ("step", "number", "text"),
    "text": ("text", "note", "plan", "content"),
    "summary": ("summary", "message", "text", "result"),
    "reason": ("reason", "message", "text"),
}
_PREFIX = re.compile(r"^(?:functions?|tools?|default_api)[.:/]+")
_CALL_IN_TEXT = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)


def parse_calls(calls: Sequence[ToolCall], *, cut: bool = False) -> tuple[Action, ...]:
    """Read one action from each call, in order.

    What can't be read becomes INVALID with the reason. `cut` says that the reply ended at the output limit: a last call
    whose arguments are incomplete is explained by that.
    """
    return tuple(_parse_call(call, cut=cut and call is calls[-1]) for call in calls)


def calls_in_text(text: str) -> tuple[ToolCall, ...]:
    """Calls that a model wrote into its text as `<tool_call>` objects, instead of making them."""
    found = []
    for match in _CALL_IN_TEXT.finditer(text):
        value = _read_object(match[1])
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            arguments = value.get("arguments", value.get("parameters", {}))
            as_text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            found.append(ToolCall(id="", name=value["name"], arguments=as_text))
    return tuple(found)


def _parse_call(call: ToolCall, *, cut: bool) -> Action:
    name = _PREFIX.sub("", call.name.strip())
    name = _SYNONYMS.get(name.lower(), name.lower())
    kind = _KINDS.get(name)
    if kind is None:
        return _invalid(call, f"there is no tool `{call.name[:60]}`; there are {', '.join(sorted(_KINDS))}")
    values = _read_object(call.arguments or "{}")
    if not isinstance(values, dict):
        if cut:
            return _invalid(
                call, f"the call of `{name}` was cut at the output limit and not run; send less in one reply"
            )
        return _invalid(call, f"the arguments of `{name}` are not a JSON object: {_json_error(call.arguments)}")
    required = [tool.parameters["required"] for tool in TOOLS if tool.name == name][0]
    found: dict[str, str] = {}
    for argument in required:
        value = next((values[key] for key in _ARGUMENTS[argument] if values.get(key) is not None), None)
        if value is None:
            given = ", ".join(sorted(map(str, values))) or "nothing"
            return _invalid(call, f"`{name}` needs `{argument}`; given: {given[:120]}")
        found[argument] = _as_text(value)
    return _action(kind, call.id, found, values)


def _action(kind: ActionKind, call_id: str, found: Mapping[str, str], values: Mapping[str, Any]) -> Action:
    if kind is ActionKind.EDIT:
        path = clean_path(found["path"])
        return Action(kind=kind, path=path, old=found["old"], text=found["new"], call_id=call_id)
    if kind is ActionKind.WRITE:
        return Action(kind=kind, path=clean_path(found["path"]), text=found["content"], call_id=call_id)
    text = next(iter(found.values()))
    if kind is ActionKind.SHELL:
        return Action(kind=kind, text=text, timeout_s=_seconds(values), call_id=call_id)
    return Action(kind=kind, text=text, call_id=call_id)


def _read_object(text: str) -> Any:
    """JSON as models write it: raw line ends in strings, Python's spelling, a trailing comma; None if hopeless."""
    candidates = [text, re.sub(r",\s*([}\]])", r"\1", text)]
    for candidate in candidates:
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
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)


def _seconds(values: Mapping[str, Any]) -> float | None:
    value = values.get("timeout", values.get("timeout_s"))
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        return None
    return float(value)


def _invalid(call: ToolCall, reason: str) -> Action:
    return Action(kind=ActionKind.INVALID, text=reason, call_id=call.id)
