"""Tasks and commands with named values: `bump the version to {VERSION}`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.text import words_of

_TOKEN = re.compile(r"\S+")
EDGES = "`'\".,:;!?()[]"
_SLOT = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
_VALUE = re.compile(r"[\w./@:+-]+\Z")  # nothing that a shell or a pattern would take for more than text
_MOST_SLOTS = 4
_LEAST_SHARED = 2  # words besides the values


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A task's words with a name in place of each value, and the values of each task that it was made from."""

    text: str
    examples: tuple[Mapping[str, str], ...]


def find_template(tasks: Sequence[str]) -> Template | None:
    """Return what tasks share word by word, with names for the differences; None when more than values differ."""
    rows = [_TOKEN.findall(task) for task in tasks]
    if len(tasks) < 2 or len({len(row) for row in rows}) != 1:
        return None
    words: list[str] = []
    values: list[dict[str, str]] = [{} for _ in tasks]
    for column in zip(*rows, strict=True):
        cores = [token.strip(EDGES) for token in column]
        frames = {token.replace(core, "\0", 1) if core else token for token, core in zip(column, cores, strict=True)}
        if len({token.lower() for token in column}) == 1:
            words.append(column[0])
        elif len(frames) == 1 and all(_VALUE.match(core) for core in cores):
            name = _same_column(values, cores) or name_for(words, values[0])
            for found, core in zip(values, cores, strict=True):
                found[name] = core
            words.append(frames.pop().replace("\0", f"{{{name}}}"))
        else:
            return None
    text = " ".join(words)
    shared = words_of(_SLOT.sub(" ", text))
    if not 1 <= len(values[0]) <= _MOST_SLOTS or len(shared) < _LEAST_SHARED:
        return None
    return Template(text=text, examples=tuple(values))


def match_template(text: str, task: str) -> dict[str, str] | None:
    """Read the values off a task that says exactly what the template says otherwise; None when it says more or less.

    White space and case don't count, nor a full stop at the end. A name that comes twice must have one value.
    """
    parts = _SLOT.split(" ".join(text.split()).rstrip(".!"))
    pattern, names = "", list[str]()
    for index, part in enumerate(parts):
        if index % 2 == 0:
            pattern += re.escape(part)
        elif part in names:
            pattern += f"(?P={part})"
        else:
            names.append(part)
            pattern += f"(?P<{part}>{_VALUE.pattern[:-2]})"
    found = re.fullmatch(pattern, " ".join(task.split()).rstrip(".!"), re.IGNORECASE)
    return None if found is None else {name: found[name].rstrip(".,:;") for name in names}


def put_names(text: str, values: Mapping[str, str], *, form: str) -> str:
    """Replace each value in a text by its name in this form, such as `${%s}`; only as a whole word."""
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = re.sub(rf"(?<![\w.-]){re.escape(value)}(?![\w-]|\.\w)", lambda _, name=name: form % name, text)  # type: ignore[misc]
    return text


def script_head(task: str, names: Iterable[str]) -> str:
    """The first lines of a script: its task as a comment, and an end where a value is missing."""
    return f"# {' '.join(task.split())}\nset -eu\n" + "".join(f': "${{{name}:?}}"\n' for name in names)


def other_values(values: Mapping[str, str]) -> dict[str, str]:
    """Values of the same form that were never used: the last number one higher, else the last letter doubled."""
    return {name: _another(value) for name, value in values.items()}


def name_for(words: Sequence[str], taken: Mapping[str, str]) -> str:
    """A name from the nearest significant word before."""
    plain = [re.sub(r"[^A-Za-z]", "", word) for word in reversed(words)]
    significant = [word for word in plain if words_of(word) and len(word) > 2]
    name = significant[0].upper() if significant else "VALUE"
    return name if name not in taken else next(f"{name}_{n}" for n in range(2, 99) if f"{name}_{n}" not in taken)


def _another(value: str) -> str:
    numbers = list(re.finditer(r"\d+", value))
    if numbers:
        last = numbers[-1]
        return value[: last.start()] + str(int(last[0]) + 1).zfill(len(last[0])) + value[last.end() :]
    return value + value[-1:]


def _same_column(values: Sequence[Mapping[str, str]], cores: Sequence[str]) -> str | None:
    """The name of an earlier word that had the same values in every task."""
    return next((name for name in values[0] if [found[name] for found in values] == list(cores)), None)
