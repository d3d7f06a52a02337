"""Which skill fits a task, and with which parameters: by the words of past tasks, without any model."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitmimo.memory.contradictions import DENIALS
from gitmimo.memory.generalise import put_slots
from gitmimo.memory.outcomes import Standing
from gitmimo.memory.procedure import Example, Procedure
from gitmimo.memory.procedure_file import to_document
from gitmimo.memory.skill_file import Skill
from gitmimo.memory.skill_runner import Refused, bind

_ENOUGH = 0.8
_FILLERS = frozenset(
    ("a", "an", "the", "to", "of", "in", "on", "for", "and", "or", "with", "by", "it", "its", "is", "are", "be", "as")
    + ("that", "this", "so", "please", "from", "into", "called", "named", "our", "my", "we", "i", "you", "can", "new")
    + ("should", "must", "at", "now", "also", "too", "just", "want", "need", "which", "there", "then")
)
_PART = r"(?:\{\{mimo:[^}]*\}\}|[A-Za-z0-9_])+"
_TOKEN = re.compile(rf"--?[A-Za-z][\w-]*|{_PART}(?:[./:@+-]+{_PART})*")
_SLOT = re.compile(r"\{\{mimo:([a-z0-9_]+)(?:\|[a-z]+)?\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillMatch:
    """A skill that fits a task, its parameters taken from the task, and why it was chosen."""

    skill: Skill
    parameters: Mapping[str, str]
    score: float
    reason: str


def match_task(skills: Iterable[Skill], task: str) -> SkillMatch | None:
    """Return the verified runnable skill that fits the task best; None when none fits well enough.

    A past task fits when nearly all its telling words are the same, names and denials included, and every parameter
    can be read off where the past task had one. Doubt means no: a model then does the task.
    """
    found: list[SkillMatch] = []
    for skill in skills:
        procedure = skill.procedure
        if procedure is None or skill.outcomes.standing is not Standing.VERIFIED:
            continue
        for example in procedure.examples:
            compared = _compare(procedure, example, task)
            if compared is not None:
                score, values = compared
                found.append(
                    SkillMatch(skill=skill, parameters=values, score=score, reason=_reason(example, score, values))
                )
    return min(found, key=lambda match: (-match.score, -match.skill.outcomes.worth, match.skill.name), default=None)


def _compare(procedure: Procedure, example: Example, task: str) -> tuple[float, dict[str, str]] | None:
    template = example.task
    for name, value in sorted(example.parameters.items(), key=lambda item: -len(item[1])):
        template = put_slots(template, name, value, code=False)
    past, now = _tokens(template), _tokens(task)
    if _denials(past) != _denials(now) or len(now) > 3 * len(past) + 10:
        return None
    values, taken = _read_parameters(past, now)
    words_past = {_stem(token) for token in past if not _SLOT.search(token) and token.lower() not in _FILLERS}
    words_now = {_stem(t) for n, t in enumerate(now) if n not in taken and t.lower() not in _FILLERS}
    union = words_past | words_now
    score = len(words_past & words_now) / len(union) if union else 0.0
    if score < _ENOUGH or any(_is_name(word) for word in words_past ^ words_now):
        return None
    try:
        return score, bind(to_document(procedure), values)
    except Refused:
        return None


def _read_parameters(past: Sequence[str], now: Sequence[str]) -> tuple[dict[str, str], set[int]]:
    """Read off what stands where the past task had a slot, and at which places.

    A slot that stands twice must say the same; a slot may be a part of a word, as in a path.
    """
    values: dict[str, str] = {}
    taken: set[int] = set()
    pairs = [token.lower() for token in past], [token.lower() for token in now]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, *pairs, autojunk=False).get_opcodes():
        if tag != "replace":
            continue
        whole = [(past[a], " ".join(now[c:d]), range(c, d))] if b - a == 1 else []
        each = [(past[a + n], now[c + n], range(c + n, c + n + 1)) for n in range(b - a)] if b - a == d - c else whole
        for token, words, places in each:
            found = _read_slots(token, words)
            for name, value in found.items():
                if values.setdefault(name, value) != value:
                    return {}, set()
            if found:
                taken.update(places)
    return values, taken


def _read_slots(token: str, words: str) -> dict[str, str]:
    """Read the slots of one word off another; only as they were written, other spellings follow from that."""
    names = _SLOT.findall(token)
    if not names or len(set(names)) != len(names):
        return {}
    pieces = [re.escape(piece) for piece in re.split(r"\{\{mimo:[^}]*\}\}", token)]
    match = re.fullmatch("(.+?)".join(pieces), words)
    spelled = re.search(r"\|[a-z]+\}\}", token) is not None
    return dict(zip(names, match.groups(), strict=True)) if match and not spelled else {}


def _tokens(text: str) -> list[str]:
    """Words, names and slots; an option's dashes belong to the sentence and not to the slot."""
    return [token.lstrip("-") for token in _TOKEN.findall(text.replace("--{{mimo:", "{{mimo:"))]


def _denials(tokens: Sequence[str]) -> int:
    return sum(token.lower() in DENIALS for token in tokens) % 2


def _stem(word: str) -> str:
    plain = word.lower()
    for ending in ("ing", "ed", "es", "s"):
        if plain.isalpha() and len(plain) > len(ending) + 3 and plain.endswith(ending) and not plain.endswith("ss"):
            return plain[: -len(ending)]
    return plain


def _is_name(word: str) -> bool:
    return bool(re.search(r"[\d_./:@+-]", word))


def _reason(example: Example, score: float, values: Mapping[str, str]) -> str:
    words = " ".join(example.task.split())
    shown = words if len(words) <= 80 else f"{words[:79]}…"
    read = ", ".join(f"{name}={value}" for name, value in values.items())
    return f"{score:.0%} of the words of a past task (“{shown}”)" + (f", {read}" if read else "")
