"""Parameters of a procedure, found by rule: the words of the task that came back in what was written."""

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gitmimo.memory.procedure import Change, Parameter, ProcedureStep
from gitmimo.memory.skill_runner import FORMS, spell
from gitmimo.memory.task_words import find_words, parameter_for

_MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """A procedure's steps with slots for parameters, and the parameters' values in the session it came from."""

    steps: tuple[ProcedureStep, ...]
    parameters: tuple[Parameter, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    task: str = ""  # the task with slots


def generalise(
    task: str, steps: Sequence[ProcedureStep], *, before: Mapping[str, str] = types.MappingProxyType({})
) -> General:
    """Put slots where words of the task came back in what the steps write, run or look for.

    A word counts when it is marked as a name in the task (quoted, an option, a number, several words in one) and
    stands in what the steps bring in. A name that an edited file held `before` (path to text) is what the task is
    about, and not something that it brings. Where nothing is found there are no parameters.
    """
    fresh = "\n".join(_fresh_texts(steps))
    written = "\n".join(_fresh_texts([step for step in steps if step.kind != "replace"]))
    found: list[tuple[Parameter, str]] = []
    for word in find_words(task):
        # words with spaces that a replacement brings in are code
        where = written if " " in word.value else fresh
        if len(found) >= _MOST or any(word.value in known for _, known in found) or not _occurs(word.value, where):
            continue
        if _is_old(word.value, steps, before):
            continue
        parameter = parameter_for(word, [known.name for known, _ in found])
        if parameter is not None:
            found.append((parameter, word.value))
    slotted = tuple(steps)
    for parameter, value in sorted(found, key=lambda pair: -len(pair[1])):
        slotted = tuple(_slotted(step, parameter.name, value) for step in slotted)
    used = "\n".join(_all_texts(slotted))
    kept = [(parameter, value) for parameter, value in found if f"{{{{mimo:{parameter.name}" in used]
    text = task
    for parameter, value in sorted(kept, key=lambda pair: -len(pair[1])):
        text = put_slots(text, parameter.name, value, code=False)
    return General(
        steps=slotted,
        parameters=tuple(parameter for parameter, _ in kept),
        values={parameter.name: value for parameter, value in kept},
        task=text,
    )


def other_values(general: General) -> dict[str, str] | None:
    """Make up other values that fit the parameters; None when there are no parameters or none can be made up."""
    given = [parameter for parameter in general.parameters if parameter.name in general.values]
    made = {parameter.name: _other(parameter, general.values[parameter.name]) for parameter in given}
    fits = all(p.type == "integer" or re.fullmatch(p.pattern, made[p.name]) for p in given)
    return made if made and fits else None


def _other(parameter: Parameter, value: str) -> str:
    if parameter.type == "integer":
        return str(int(value) + 1)
    if re.fullmatch(r"v?\d+(?:\.\d+)+.*", value):
        return re.sub(r"\d+", lambda match: str(int(match.group()) + 1), value, count=1)
    if "_" in value:
        return f"{value}_other"
    if re.search(r"[a-z][A-Z]|\A[A-Z][a-z]", value):
        return f"{value}Other"
    return f"{value}-other" if "-" in value and re.fullmatch(parameter.pattern, f"{value}-other") else f"{value}x"


def _occurs(value: str, fresh: str) -> bool:
    return any(_pattern(text).search(fresh) for text in _spellings(value).values())


def _is_old(value: str, steps: Sequence[ProcedureStep], before: Mapping[str, str]) -> bool:
    """Whether a name comes back only in edits of files that held it already; numbers do so by chance."""
    bringing = [step for step in steps if _occurs(value, "\n".join(_fresh_texts([step])))]
    return not value[:1].isdigit() and all(
        step.kind == "edit" and _occurs(value, before.get(step.path, "")) for step in bringing
    )


# --- slots -----------------------------------------------------------------------------------------------------------


def _spellings(value: str) -> dict[str, str]:
    """Return the different ways to write a name, by form; `plain` first, ways that look the same once."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(?:[ _-][A-Za-z0-9]+)*", value):
        return {"plain": value}
    found: dict[str, str] = {"plain": value}
    for form in FORMS[1:]:
        text = spell(value, form)
        if text and text not in found.values() and len(text) > 2:
            found[form] = text
    return found


def _pattern(text: str) -> re.Pattern[str]:
    before = "(?<![A-Za-z0-9])" if not text[:1].isupper() or text.isupper() else "(?<![A-Z0-9])"
    after = "(?![A-Za-z0-9])" if not re.search(r"[a-z]\Z", text) or not re.search("[A-Z]", text) else "(?![a-z0-9])"
    if re.fullmatch(r"v?\d[\d.]*", text):
        before, after = r"(?<![\w.])", r"(?![\w]|\.\d)"
    return re.compile(before + re.escape(text) + after)


def put_slots(text: str, name: str, value: str, *, code: bool) -> str:
    """Replace every spelling of the value by its slot; text inside slots stays."""
    single = re.fullmatch(r"[a-z][a-z0-9]*", value) is not None
    for form, spelled in sorted(_spellings(value).items(), key=lambda item: (-len(item[1]), item[0] != "plain")):

        def slot(match: re.Match[str], form: str = form) -> str:
            before, after = match.string[: match.start()], match.string[match.end() :]
            if single and form == "plain" and code:
                form_ = "snake" if before[-1:] in ("_", ".") or after[:1] in ("_", "(", "=") else form
                form_ = "kebab" if before.endswith("--") else form_
            else:
                form_ = form
            return f"{{{{mimo:{name}}}}}" if form_ == "plain" else f"{{{{mimo:{name}|{form_}}}}}"

        pieces = re.split(r"(\{\{mimo:[^}]*\}\})", text)
        text = "".join(p if p.startswith("{{mimo:") else _pattern(spelled).sub(slot, p) for p in pieces)
    return text


def _slotted(step: ProcedureStep, name: str, value: str) -> ProcedureStep:
    def put(text: str) -> str:
        return put_slots(text, name, value, code=True)

    return replace(
        step,
        path=put(step.path),
        to=put(step.to),
        text=put(step.text),
        argv=(*step.argv[:1], *map(put, step.argv[1:])),
        changes=tuple(_slotted_change(change, value, put) for change in step.changes),
        paths=tuple(map(put, step.paths)) if step.kind == "replace" else step.paths,
    )


def _slotted_change(change: Change, value: str, put: Callable[[str], str]) -> Change:
    """Leave the lines that only say where the place is as they are, and words that were there before and stay."""
    old, new = change.old.splitlines(keepends=True), change.new.splitlines(keepends=True)
    context = set(old) & set(new)
    gone, fresh = ("".join(line for line in lines if line not in context) for lines in (old, new))
    if _occurs(value, gone) and _occurs(value, fresh):
        return change
    return Change(
        old="".join(line if line in context else put(line) for line in old),
        new="".join(line if line in context else put(line) for line in new),
    )


def _fresh_texts(steps: Sequence[ProcedureStep]) -> Iterator[str]:
    """What the steps bring in, and what a replacement looks for: only there a word of the task is a parameter."""
    for step in steps:
        yield from (step.text, step.to, *step.argv[1:])
        if step.kind == "write" and step.new:
            yield step.path
        for change in step.changes:
            if step.kind == "replace":
                yield from (change.old, change.new)
            else:
                before = set(change.old.splitlines())
                yield from (line for line in change.new.splitlines() if line not in before)


def _all_texts(steps: Sequence[ProcedureStep]) -> Iterator[str]:
    for step in steps:
        yield from (step.path, step.to, step.text, *step.argv, *step.paths)
        for change in step.changes:
            yield from (change.old, change.new)
