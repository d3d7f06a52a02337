"""The words of a task that name something, and the parameters that they can become."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitmimo.memory.facts import slug
from gitmimo.memory.procedure import Parameter

_QUOTED = re.compile(r"`([^`\n]{1,80})`|\"([^\"\n]{1,80})\"|'([^'\n]{2,80})'(?![a-z])|“([^”\n]{1,80})”")
_TELLING = re.compile(
    r"(?<![\w/])--([a-z][a-z0-9-]+)"  # an option
    r"|(?<![\w.])(v?\d+(?:\.\d+)+(?:[a-z0-9.+-]*[a-z0-9])?)(?!\w)"  # a version
    r"|(?<![\w.])(\d+)(?![\w.]*\w)"  # a number
    r"|(?<![\w./-])([A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*|[A-Z]{2,}\w*)(?![\w/-])"
)
_CALLED = re.compile(r"\b(?:called|named|(?:to|into|by|as|with)) ([A-Za-z][A-Za-z0-9_-]{1,60})(?=[\s,.;:]|\Z)", re.I)
_EMPTY = frozenset(
    ("the", "a", "an", "it", "its", "all", "every", "each", "and", "or", "new", "this", "that", "their", "them", "be")
    + ("use", "add", "test", "tests", "code", "file", "files", "json", "api", "cli", "readme", "todo", "http")
)
_NAMES = (
    *("flag", "option", "version", "command", "function", "class", "method", "field", "column", "table", "module"),
    *("package", "dependency", "key", "setting", "variable", "endpoint", "name", "value", "port", "timeout", "limit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWord:
    """A name that a task mentions, with what stands before and after it, in lower case."""

    value: str
    before: str
    after: str


def find_words(task: str) -> Iterator[TaskWord]:
    """Yield the words that are marked as names, each once; the most certain marks first."""
    seen: set[str] = set()
    for pattern in (_QUOTED, _TELLING, _CALLED):
        for match in pattern.finditer(task):
            value = next(group for group in match.groups() if group is not None).strip().removeprefix("--")
            too_short = len(value) < 2 and not value.isdigit()
            if value in seen or too_short or value.lower() in _EMPTY:
                continue
            seen.add(value)
            before, after = task[max(0, match.start() - 60) : match.start()], task[match.end() : match.end() + 30]
            yield TaskWord(value=value, before=before.lower(), after=after.lower())


def parameter_for(word: TaskWord, taken: Sequence[str]) -> Parameter | None:
    """Make a parameter that admits the word and its like; None when no safe pattern does."""
    value, before = word.value, word.before
    words = re.findall(r"[a-z]+", before)[-4:][::-1] + re.findall(r"[a-z]+", word.after)[:2]
    name = next((word for word in words if word in _NAMES), "")
    if not name:
        name = "version" if re.fullmatch(r"v?\d+(\.\d+)+\S*", value) else "number" if value.isdigit() else "name"
    if words[:1] == ["to"] or re.search(r"\b(?:to|into|with|by)\s*[`\"'“]?\Z", before):
        name = f"new_{name}" if name in taken or "rename" in before or "replace" in before else name
    elif re.search(r"\b(?:rename|replace|from)\b[^.]{0,30}\Z", before):
        name = f"old_{name}"
    base, number = name, 2
    while name in taken or name in ("root", "help", "dry_run", "allow_dirty"):
        name, number = f"{base}_{number}", number + 1
    described = f"the {base.replace('_', ' ')}, for example {value}"
    if value.isdigit() and len(value) <= 9:
        high = max(1_000_000, int(value) * 1000)
        return Parameter(name=name, description=described, type="integer", minimum=0, maximum=high)
    for pattern in _VALUE_PATTERNS:
        if re.fullmatch(pattern, value):
            return Parameter(name=name, description=described, pattern=pattern, max_length=80)
    return None


_VALUE_PATTERNS = (
    r"v?[0-9]+\.[0-9][0-9A-Za-z.+-]{0,40}",
    r"[A-Za-z_][A-Za-z0-9_]{0,60}",
    r"[A-Za-z][A-Za-z0-9_-]{0,60}",
    r"[A-Za-z0-9][A-Za-z0-9._/:+-]{0,78}",
    r"[A-Za-z0-9][A-Za-z0-9 ._/:,+-]{0,78}",
)


def skill_name(task: str, taken: Sequence[str]) -> str:
    """Make a skill's name from a task with slots: its telling words, without the values."""
    plain = re.sub(r"\{\{mimo:[^}]*\}\}|`[^`]*`|\"[^\"]*\"", " ", task.split("\n")[0])
    words = [word for word in re.findall(r"[A-Za-z]{2,}", plain.lower()) if word not in _FILLERS]
    base = slug(" ".join(words[:6]), limit=48) if words else "repeat-task"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


_FILLERS = frozenset(
    ("the", "an", "to", "of", "in", "on", "for", "and", "or", "with", "by", "it", "its", "is", "are", "be", "as", "at")
    + ("that", "this", "so", "please", "from", "into", "called", "named", "all", "every", "claude", "anthropic")
)
