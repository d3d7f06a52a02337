"""A procedure as JSON, as published in `procedure.schema.json`, and the rules that no schema can say.

Refused: keys that stand twice, slots without a parameter, patterns that let a value pass for an option, paths that lead
outside, shells and programs that start others, hidden characters. Not seen: what a program does with its arguments.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema

from gitmimo.errors import SkillRefused
from gitmimo.memory.procedure import Change, Condition, Example, Parameter, Probe, Procedure, ProcedureStep
from gitmimo.memory.skill_runner import FORMS, SCHEMA
from gitmimo.text import hidden_characters

SCHEMA_FILE = Path(__file__).with_name("procedure.schema.json")
MAX_BYTES = 512_000
_SLOT = re.compile(r"\{\{mimo:([^}|]*)(?:\|([^}]*))?\}\}")
_RESERVED = frozenset(("root", "dry_run", "allow_dirty", "help"))
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh"))  # with a script of the project only
_NEVER = frozenset(
    ("busybox", "cmd", "cmd.exe", "powershell", "pwsh", "sudo", "su", "doas", "env", "xargs", "nohup", "time")
    + ("timeout", "nice", "setsid", "eval", "exec", "find", "parallel", "ssh", "docker", "podman")
)
_GIT_NEVER = frozenset(("push", "fetch", "pull", "commit", "reset", "checkout", "switch", "config", "clone", "remote"))


def to_document(procedure: Procedure) -> dict[str, Any]:
    """Return the procedure as the JSON document that `skill_runner` carries out."""
    return {
        "schema": SCHEMA,
        "name": procedure.name,
        "description": procedure.description,
        "parameters": {
            "type": "object",
            "properties": {parameter.name: _parameter_json(parameter) for parameter in procedure.parameters},
            "required": [p.name for p in procedure.parameters if p.default is None and p.probe is None],
            "additionalProperties": False,
        },
        "preconditions": [_condition_json(condition) for condition in procedure.preconditions],
        "steps": [_step_json(step) for step in procedure.steps],
        "effects": {"paths": list(procedure.paths), "network": procedure.network, "timeout_s": procedure.timeout_s},
        "postconditions": [_condition_json(condition) for condition in procedure.postconditions],
        "examples": [{"task": example.task, "parameters": dict(example.parameters)} for example in procedure.examples],
    }


def write_procedure(procedure: Procedure) -> bytes:
    """Format a procedure; SkillRefused when it breaks a rule."""
    data = (json.dumps(to_document(procedure), indent=1, ensure_ascii=False) + "\n").encode()
    read_procedure(data)
    return data


def read_procedure(data: bytes) -> Procedure:
    """Parse and check a procedure. SkillRefused names the first rule that is broken."""
    if len(data) > MAX_BYTES:
        raise SkillRefused(f"the procedure is larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(data, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as exc:
        raise SkillRefused(f"the procedure is not usable JSON: {exc}") from exc
    error = next(iter(sorted(_validator().iter_errors(document), key=lambda found: list(map(str, found.path)))), None)
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path)
        raise SkillRefused(f"the procedure breaks its schema at `{where}`: {error.message[:200]}")
    procedure = _from_document(document)
    for problem in _problems(procedure):
        raise SkillRefused(problem)
    return procedure


# --- JSON ------------------------------------------------------------------------------------------------------------


def _parameter_json(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"type": parameter.type, "description": parameter.description}
    if parameter.probe is not None:
        found["probe"] = dataclasses.asdict(parameter.probe)
    if parameter.type == "integer":
        found |= {"minimum": parameter.minimum, "maximum": parameter.maximum}
        return found | ({"default": int(parameter.default)} if parameter.default is not None else {})
    found["maxLength"] = parameter.max_length
    if parameter.pattern:
        found["pattern"] = parameter.pattern
    if parameter.choices:
        found["enum"] = list(parameter.choices)
    return found | ({"default": parameter.default} if parameter.default is not None else {})


def _step_json(step: ProcedureStep) -> dict[str, Any]:
    match step.kind:
        case "run":
            found: dict[str, Any] = {"kind": "run", "argv": list(step.argv), "timeout_s": step.timeout_s}
            return found | ({"cwd": step.cwd} if step.cwd else {})
        case "edit":
            changes = [{"old": change.old, "new": change.new} for change in step.changes]
            return {"kind": "edit", "path": step.path, "changes": changes}
        case "write":
            flags = {"new": step.new, "executable": step.executable}
            return {"kind": "write", "path": step.path, "text": step.text} | {k: v for k, v in flags.items() if v}
        case "replace":
            found = {"kind": "replace", "paths": list(step.paths)}
            found |= {"old": step.changes[0].old, "new": step.changes[0].new}
            return found | ({"whole_word": True} if step.whole_word else {})
        case "move":
            return {"kind": "move", "path": step.path, "to": step.to}
        case _:
            return {"kind": step.kind, "path": step.path}


def _condition_json(condition: Condition) -> dict[str, Any]:
    match condition.kind:
        case "exists" | "absent":
            return {"kind": condition.kind, "path": condition.path}
        case "contains" | "lacks":
            return {"kind": condition.kind, "path": condition.path, "text": condition.text}
        case "tool":
            return {"kind": "tool", "program": condition.program}
        case _:
            found = {"kind": "run", "argv": list(condition.argv), "exit_code": condition.exit_code}
            return found | {"timeout_s": condition.timeout_s}


def _from_document(document: Mapping[str, Any]) -> Procedure:
    return Procedure(
        name=document["name"],
        description=document["description"],
        steps=tuple(_step(step) for step in document["steps"]),
        paths=tuple(document["effects"]["paths"]),
        parameters=tuple(_parameter(name, rule) for name, rule in document["parameters"]["properties"].items()),
        preconditions=tuple(_condition(condition) for condition in document["preconditions"]),
        postconditions=tuple(_condition(condition) for condition in document["postconditions"]),
        examples=tuple(Example(task=item["task"], parameters=item["parameters"]) for item in document["examples"]),
        network=document["effects"]["network"],
        timeout_s=document["effects"]["timeout_s"],
    )


def _parameter(name: str, rule: Mapping[str, Any]) -> Parameter:
    probe = Probe(**rule["probe"]) if "probe" in rule else None
    found = Parameter(name=name, description=rule["description"], type=rule["type"], probe=probe)
    default = str(rule["default"]) if "default" in rule else None
    if found.type == "integer":
        return replace(found, minimum=rule["minimum"], maximum=rule["maximum"], default=default)
    pattern, choices = rule.get("pattern", ""), tuple(rule.get("enum", ()))
    return replace(found, pattern=pattern, choices=choices, max_length=rule["maxLength"], default=default)


def _step(raw: Mapping[str, Any]) -> ProcedureStep:
    values = dict(raw)
    if raw["kind"] == "replace":
        values["changes"] = ({"old": values.pop("old"), "new": values.pop("new")},)
    for key in ("argv", "paths"):
        values[key] = tuple(values.get(key, ()))
    values["changes"] = tuple(Change(old=item["old"], new=item["new"]) for item in values.get("changes", ()))
    return ProcedureStep(**values)


def _condition(raw: Mapping[str, Any]) -> Condition:
    return Condition(**{**raw, "argv": tuple(raw.get("argv", ()))})


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_bytes()))


# --- rules beyond the schema -----------------------------------------------------------------------------------------


def _problems(procedure: Procedure) -> Iterator[str]:
    names = [parameter.name for parameter in procedure.parameters]
    yield from (f"the parameter's name is taken: `{name}`" for name in names if name in _RESERVED)
    for parameter in procedure.parameters:
        yield from _parameter_problems(parameter)
    for text in _texts(procedure):
        for match in _SLOT.finditer(text):
            if match[1] not in names:
                yield f"a slot without a parameter: `{match[1][:60]}`"
            if match[2] is not None and match[2] not in FORMS:
                yield f"a slot with an unknown spelling: `{match[2][:60]}`"
        hidden = hidden_characters(text.replace("\r", ""))
        if hidden:
            yield f"hidden characters in the procedure: {', '.join(hidden[:3])}"
    for path in _paths(procedure):
        parts = path.split("/")
        if path.startswith(("/", "~")) or "\\" in path or ".." in parts or "" in parts or ".git" in parts:
            yield f"a path that leads outside: `{path[:120]}`"
    for argv in _commands(procedure):
        yield from _command_problems(argv, {parameter.name: parameter for parameter in procedure.parameters})


def _parameter_problems(parameter: Parameter) -> Iterator[str]:
    if parameter.type == "integer":
        if parameter.minimum > parameter.maximum:
            yield f"no value fits the bounds of `{parameter.name}`"
        return
    try:
        pattern = re.compile(parameter.pattern)
    except re.error as exc:
        yield f"the pattern of `{parameter.name}` is not usable: {exc}"
        return
    if re.search(r"\)[*+{]|\\\d", parameter.pattern):
        yield f"the pattern of `{parameter.name}` repeats a group or refers back, which can take for ever"
    if parameter.default is not None and parameter.pattern and not pattern.fullmatch(parameter.default):
        yield f"the default of `{parameter.name}` does not match its pattern"


def _command_problems(argv: tuple[str, ...], parameters: Mapping[str, Parameter]) -> Iterator[str]:
    program = argv[0].rpartition("/")[2].lower()
    if _SLOT.search(argv[0]) or not argv[0].strip():
        yield "a parameter must not choose the program"
    if program in _NEVER or (program in _SHELLS and (len(argv) < 2 or argv[1].startswith("-"))):
        yield f"a step must not start `{program}`: name the program itself, or a script of the project"
    if re.match(r"python|node|ruby|perl|php", program) and any(word in ("-c", "-e", "--eval", "-r") for word in argv):
        yield f"a step must not hand code to `{program}`: put it in a file of the project"
    if program == "git" and not _GIT_NEVER.isdisjoint(argv[1:]):
        yield "a step must not move refs or talk to a remote"
    for word in argv[1:]:
        match = _SLOT.match(word)
        parameter = parameters.get(match[1]) if match else None
        if parameter is not None and _may_be_option(parameter):
            yield f"the parameter `{parameter.name}` could pass for an option: let its pattern begin with a letter"


def _may_be_option(parameter: Parameter) -> bool:
    if parameter.type == "integer":
        return parameter.minimum < 0
    if parameter.choices:
        return any(choice.startswith("-") for choice in parameter.choices)
    return any(re.fullmatch(parameter.pattern, text) for text in ("-", "-x", "--x", "--xx-y", "-9", "--x=y", "-x/y"))


def _texts(procedure: Procedure) -> Iterator[str]:
    yield procedure.description
    yield from procedure.paths
    for step in procedure.steps:
        yield from (step.path, step.to, step.text, step.cwd, *step.argv, *step.paths)
        yield from (text for change in step.changes for text in (change.old, change.new))
    for condition in (*procedure.preconditions, *procedure.postconditions):
        yield from (condition.path, condition.text, *condition.argv)


def _paths(procedure: Procedure) -> Iterator[str]:
    yield from procedure.paths
    for step in procedure.steps:
        yield from (path for path in (step.path, step.to, step.cwd, *step.paths) if path)
    yield from (c.path for c in (*procedure.preconditions, *procedure.postconditions) if c.path)
    yield from (parameter.probe.path for parameter in procedure.parameters if parameter.probe is not None)


def _commands(procedure: Procedure) -> Iterator[tuple[str, ...]]:
    yield from (step.argv for step in procedure.steps if step.kind == "run")
    yield from (c.argv for c in (*procedure.preconditions, *procedure.postconditions) if c.kind == "run")
