"""JSON Schemas of what `--json` prints: shapes written down here, records read from their declarations."""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gitmimo.behaviour import BehaviourReport
from gitmimo.ci import Finding, NoteState
from gitmimo.evidence import Evidence, Verdict
from gitmimo.git.undo_log import Operation
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.memory.notes import NoteKind
from gitmimo.memory.recall import Hit
from gitmimo.records import Usage
from gitmimo.workflow.provenance import Provenance

PATTERNS: Final = {"Oid": "^([0-9a-f]{40}|[0-9a-f]{64})$", "SessionId": "^[0-9a-z]{10}$"}
Moment = datetime | None

_CANDIDATE = {
    "n": int, "agent": str, "branch": str, "commit": Oid | None, "model": str, "approach": str, "status": str,
    "steps": int, "tokens": Usage, "usd": float, "seconds": float, "tree": Oid | None, "summary": str,
    "evidence": Evidence | None,
}  # fmt: skip
_SESSION = {
    "session": SessionId, "status": SessionStatus, "task": str, "base": str, "result_branch": str | None,
    "result_commit": Oid | None, "winner": int | None, "merged": bool, "skill": str | None,
    "candidates": [_CANDIDATE], "verdict": Verdict | None, "usd": float, "seconds": float, "llm_calls": int,
    "message": str,
}  # fmt: skip
_BRIEF = {
    "session": SessionId, "status": SessionStatus, "phase": str, "task": str, "started": Moment, "base": str,
    "target_branch": str | None, "candidates": int, "winner": int | None, "result_branch": str | None,
    "merged": bool, "usd": float, "tokens": int, "seconds": float, "message": str,
}  # fmt: skip
_SETTING = {"name": str, "value": Any}
_SKILL = {
    "name": str,
    "description": str,
    "runs": bool,
    "approved": bool,
    "parameters": [str],
    "commits": [str],
    "used": int,
}
_NOTE = {"id": str, "kind": NoteKind, "text": str, "commit": str, "sources": [str], "is_stale": bool}  # fmt: skip
_MODEL = {"name": str, "path": str | None, "bytes": int, "licence": str}
_GARBAGE = {"kind": str, "name": str, "reason": str}

# schema's name -> what it is, the commands that print it, and its shapes, of which one applies
SHAPES: Mapping[str, tuple[str, tuple[str, ...], tuple[Any, ...]]] = {
    "start/1": ("a session", ("start", "resume", "revise", "attach"), (_SESSION,)),
    "show/1": ("a session, read back", ("show",), (_SESSION,)),
    "review/1": ("a session with its result's diff", ("review",), (_SESSION | {"diff": str},)),
    "detached/1": ("a session begun in the background", ("start --detach",), ({"session": SessionId, "log": str},)),
    "list/1": ("sessions, newest first", ("list",), ({"sessions": [_BRIEF]},)),
    "status/1": ("running sessions, then the newest", ("status",), ({"sessions": [_BRIEF]},)),
    "merge/1": (
        "a merge that was made",
        ("merge",),
        ({"session": SessionId, "branch": str, "commit": Oid, "fast_forward": bool, "retested": bool},),
    ),
    "pr/1": (
        "a result that was pushed",
        ("pr",),
        ({"session": SessionId, "branch": str, "remote": str, "pushed": [str], "title": str, "url": str | None,
          "tool": str | None, "message": str},),
    ),
    "why/1": ("where a line came from", ("why",), (Provenance,)),
    "bisect/1": (
        "the step that broke a test; nulls when none did",
        ("bisect",),
        ({"candidate": int, "test": str | None, "step": int | None, "commit": Oid | None, "judged": int | None},),
    ),
    "gc/1": (
        "what was removed, or would be",
        ("gc",),
        ({"dry_run": bool, "removed": [_GARBAGE | {"bytes": int}], "left": [_GARBAGE], "bytes": int},),
    ),
    "undo-list/1": ("what can be undone", ("undo --list",), ({"operations": [Operation]},)),
    "memory/1": (
        "notes",
        ("memory list", "memory search"),
        ({"notes": [_NOTE]}, {"hits": [Hit]}),
    ),
    "dream/1": (
        "what sessions taught, or with --undo the branches that were moved back",
        ("dream",),
        ({"branch": str | None, "skills": [str], "notes": [str], "changed": [str], "offered": int},
         {"undone": [str]}),
    ),
    "skills/1": ("the skills", ("skill list",), ({"skills": [_SKILL], "refused": Mapping[str, str]},)),
    "skill/1": ("one skill", ("skill show",), (_SKILL | {"files": [str], "body": str},)),
    "skill-run/1": (
        "a skill's script that was run",
        ("skill run",),
        ({"problem": str, "output": str, "seconds": float, "branch": str | None, "commit": Oid | None},),
    ),
    "cost/1": (
        "what was spent",
        ("cost",),
        ({"by": str, "rows": [{"key": str, "usd": float, "calls": int, "tokens": Usage}]},),
    ),
    "config/1": (
        "settings",
        ("config get", "config list"),
        (_SETTING, {"settings": [_SETTING | {"origin": str}]}),
    ),
    "models/1": (
        "local models",
        ("models list",),
        ({"local": [_MODEL], "providers": [str]},),
    ),
    "doctor/1": (
        "what was found about machine and repository",
        ("doctor",),
        ({"findings": [{"level": str, "subject": str, "text": str, "remedy": str}], "next": [str]},),
    ),
    "ci/1": (
        "a branch judged again",
        ("ci",),
        ({"passed": bool, "needs_person": bool, "doubts": [str], "behaviour": BehaviourReport | None,
          "commit": Oid, "base": Oid, "session": SessionId | None, "note": NoteState,
          "differences": [str], "recorded": bool, "findings": [Finding], "evidence": Evidence | None},),
    ),
}  # fmt: skip


def write_schemas() -> dict[str, str]:
    """Every schema as the text of its file, by the file's name."""
    return {
        f"{name.replace('/', '-')}.schema.json": json.dumps(_document(name), indent=1, ensure_ascii=False) + "\n"
        for name in SHAPES
    }


def _document(name: str) -> dict[str, Any]:
    about, commands, shapes = SHAPES[name]
    variants = []
    for shape in shapes:
        value = _schema(shape)
        value["properties"] = {"schema": {"const": f"git-mimo/{name}"}, **value["properties"]}
        value["required"] = ["schema", *value["required"]]
        variants.append(value)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"git-mimo/{name}",
        "description": f"{about}; printed by {', '.join(f'`git mimo {c} --json`' for c in commands)}",
        **(variants[0] if len(variants) == 1 else {"anyOf": variants}),
    }


def _schema(kind: Any) -> dict[str, Any]:
    """The schema of a type, of a dict of types (an object), or of a list with one type in it (an array)."""
    if kind is Any:
        return {}
    if isinstance(kind, dict):
        return _object(kind)
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    if isinstance(kind, typing.NewType):
        return {"type": "string", "pattern": PATTERNS[kind.__name__]} if kind.__name__ in PATTERNS else _schema(str)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return _object({field.name: hints[field.name] for field in dataclasses.fields(kind)})
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(part) for part in parts]}
    if origin in (tuple, list, frozenset, set):
        return {"type": "array", "items": _schema(parts[0])}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(parts[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": _JSON_TYPES[kind]} | ({"format": "date-time"} if kind is datetime else {})


_JSON_TYPES: Mapping[Any, str] = {
    str: "string", int: "integer", float: "number", bool: "boolean", datetime: "string", type(None): "null",
}  # fmt: skip


def _object(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Every field is there in every output; further ones may come without a new version."""
    return {
        "type": "object",
        "properties": {name: _schema(kind) for name, kind in fields.items()},
        "required": list(fields),
    }
