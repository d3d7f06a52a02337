"""Values that a procedure takes the place of, read from the project instead of being written down.

`version = "1.3.2"` became `version = "1.4.0"`: the next time the version to look for is another one. Where a parameter
took the place of a value of its kind, that value becomes a parameter too, with the place where it stands.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gitmimo.git.repository import Repository
from gitmimo.memory.generalise import General
from gitmimo.memory.procedure import Change, Parameter, Probe, ProcedureStep
from gitmimo.memory.skill_runner import fill, glob_pattern
from gitmimo.records import Oid

_MOST_BYTES = 200_000


def add_probes(repository: Repository, base: Oid, general: General) -> General:
    """Return the procedure with the values that its parameters replace read from the base's files."""
    steps = general.steps
    parameters = list(general.parameters)
    for parameter in general.parameters:
        slot = f"{{{{mimo:{parameter.name}}}}}"
        found = next(_replaced_values(steps, slot, parameter), None)
        if found is None:
            continue
        step, before, value, after = found
        path = _path_of(repository, base, step, general.values)
        probe = _probe(repository, base, path, before, value, after) if path else None
        name = f"current_{parameter.name}"
        if probe is None or any(known.name == name for known in parameters):
            continue
        said = f"the {parameter.name.replace('_', ' ')} until now; read from {probe.path} when not given"
        parameters.append(replace(parameter, name=name, description=said, default=None, probe=probe))
        steps = tuple(_with_slot(step, value, f"{{{{mimo:{name}}}}}", parameter) for step in steps)
    return replace(general, steps=steps, parameters=tuple(parameters))


def _replaced_values(
    steps: Sequence[ProcedureStep], slot: str, parameter: Parameter
) -> Iterator[tuple[ProcedureStep, str, str, str]]:
    """Yield where a line has the slot in place of a value that the parameter would admit."""
    for step in steps:
        if "{{mimo:" in step.path or step.kind not in ("edit", "replace"):
            continue
        for change in step.changes:
            for line in change.new.splitlines():
                before, found, after = line.partition(slot)
                if not found or not before.strip() or "{{mimo:" in before + after:
                    continue
                for old in change.old.splitlines():
                    fits = old.startswith(before) and old.endswith(after) and len(old) > len(before) + len(after)
                    value = old[len(before) : len(old) - len(after)] if fits else ""
                    if value and _admits(parameter, value):
                        yield step, before, value, after


def _admits(parameter: Parameter, value: str) -> bool:
    if parameter.type == "integer":
        return value.isdigit() and parameter.minimum <= int(value) <= parameter.maximum
    return re.fullmatch(parameter.pattern, value) is not None


def _path_of(repository: Repository, base: Oid, step: ProcedureStep, values: Mapping[str, str]) -> str:
    """The step's file, or the first one that a replacement over several changes."""
    if step.kind == "edit":
        return step.path
    patterns = [re.compile(glob_pattern(fill(pattern, values))) for pattern in step.paths]
    old = fill(step.changes[0].old, values)
    for entry in repository.list_paths(base):
        if any(pattern.fullmatch(entry.path) for pattern in patterns) and old in _text(repository, base, entry.path):
            return entry.path
    return ""


def _probe(repository: Repository, base: Oid, path: str, before: str, value: str, after: str) -> Probe | None:
    text = _text(repository, base, path)
    after = after or "\n"
    if text.count(before) != 1 or f"{before}{value}{after}" not in text:
        return None
    return Probe(path=path, before=before, after=after)


def _text(repository: Repository, base: Oid, path: str) -> str:
    data = repository.read_blob(base, path) or b""
    return data.decode(errors="replace") if len(data) <= _MOST_BYTES else ""


def _with_slot(step: ProcedureStep, value: str, slot: str, parameter: Parameter) -> ProcedureStep:
    """Put the slot where the old value stands; a short value only where its place was taken."""
    word = re.compile(rf"(?<![\w.]){re.escape(value)}(?![\w]|\.\d)")
    new_slot = f"{{{{mimo:{parameter.name}}}}}"

    def put(change: Change) -> Change:
        if len(value) < 4 and new_slot not in change.new:
            return change
        return Change(old=word.sub(lambda _: slot, change.old), new=word.sub(lambda _: slot, change.new))

    return replace(step, changes=tuple(map(put, step.changes))) if step.kind in ("edit", "replace") else step
