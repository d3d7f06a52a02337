"""What a plain line is: a task, a question, a note to keep, or not clear. By rule, before anything is spent."""

import enum
import re


class Intent(enum.StrEnum):
    """What a person wants by a plain line. An UNCLEAR one is asked about, never guessed."""

    TASK = "task"
    QUESTION = "question"
    NOTE = "note"
    UNCLEAR = "unclear"


_NOTE = re.compile(r"^(?:please\s+)?(?:remember|note|keep in mind)\b(?:\s+that\b|\s*:)?\s*(?P<text>.+)$", re.I | re.S)
_POLITE = re.compile(
    r"^(?:(?:ok|okay|now|then|next|and|so|please|let'?s|hey|hi)\b[\s,:]*"
    r"|(?:can|could|would|will) you\b\s*|i(?:'d| would) (?:like|want) you to\b\s*|i want you to\b\s*"
    r"|(?:we|you) (?:need|have) to\b\s*|go ahead and\b\s*)+",
    re.I,
)
_CHANGE = re.compile(
    r"(?:add|adapt|adjust|allow|amend|apply|bump|cache|change|clean|convert|correct|create|debug|delete|deprecate|disable"
    r"|document|drop|enable|ensure|expose|extend|extract|fix|format|generate|handle|implement|improve|inline|introduce"
    r"|let|log|make|mend|merge|migrate|modify|move|optimi[sz]e|parse|port|prevent|refactor|remove|rename|reorder|repair"
    r"|replace|resolve|return|revert|rewrite|simplify|solve|sort|speed|split|stop|support|switch|translate|update|upgrade"
    r"|use|validate|wrap|write)\b",
    re.I,
)
_ASKING = re.compile(
    r"(?:what|what's|where|where's|when|who|who's|whose|whom|which|why|how|is|are|am|was|were|does|do|did|has|have|had"
    r"|should|shall|may|might|explain|describe|summari[sz]e|tell me|show me|list|find|look|compare|count|give me)\b",
    re.I,
)
_WANTED = re.compile(r"\b(?:should(?:n't)?|must(?:n't)?|needs? to|has to|ought to|instead of)\b", re.I)
_CLAUSE = re.compile(r"[.;:,\n]\s+(?:and |then |so |please )?(?=\S)")


def intent_of(text: str) -> Intent:
    """Classify a plain line.

    A question word or mark makes a question, a verb of change at the beginning (of the line, or of a later clause)
    a task; "could you" and "please" are looked through. English only: other languages are UNCLEAR but for `?`.
    """
    line = text.strip()
    if _NOTE.match(line):
        return Intent.NOTE
    core = _POLITE.sub("", line)
    if _CHANGE.match(core) and not _ASKING.match(line):
        return Intent.TASK
    if _ASKING.match(core) or line.endswith("?"):
        return Intent.QUESTION
    if any(_CHANGE.match(clause) for clause in _CLAUSE.split(core)[1:]) or _WANTED.search(core):
        return Intent.TASK
    return Intent.UNCLEAR


def note_text(text: str) -> str:
    """What a line of Intent.NOTE asks to keep."""
    found = _NOTE.match(text.strip())
    return " ".join((found["text"] if found else text).split())
