"""Matching tasks to skills by words: the skill's own, those of its past changes, and those of their diffs."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.memory.changes import Change, read_changes
from gitmimo.memory.skill_file import Skill
from gitmimo.text import words_of

LEAST_SCORE = 0.3
_UNSEEN = 0.25  # of the highest weight: a word that is not in the history is likely the name of something new
_MOST_DIFF = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A skill and how much of the task's weight its words cover, 0 to 1."""

    skill: Skill
    score: float


def rank_skills(repository: Repository, commit: str, task: str, skills: Sequence[Skill]) -> tuple[Match, ...]:
    """Return the skills that fit a task, the best first; none below `LEAST_SCORE`."""
    if not skills:
        return ()
    changes = read_changes(repository, commit)
    known = [_vocabulary(repository, skill, changes) for skill in skills]
    wanted = _weights(task, changes, known)
    whole = sum(wanted.values()) or 1.0
    found = [
        Match(skill=skill, score=round(sum(wanted[word] * words.get(word, 0.0) for word in wanted) / whole, 4))
        for skill, words in zip(skills, known, strict=True)
    ]
    return tuple(sorted((m for m in found if m.score >= LEAST_SCORE), key=lambda m: (-m.score, m.skill.name)))


def _weights(task: str, changes: Sequence[Change], known: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The weight of each word of the task: higher for words that are rare, but not absent, in the history."""
    documents = [set(words_of(change.message)) for change in changes] + [set(words) for words in known]
    counts = Counter(word for document in documents for word in document)
    most = math.log(len(documents) + 1)
    return {
        word: math.log((len(documents) + 1) / counts[word]) if counts[word] else _UNSEEN * most
        for word in words_of(task)
    }


def _vocabulary(repository: Repository, skill: Skill, changes: Sequence[Change]) -> dict[str, float]:
    """The words of a skill with their weights: 1 for words of messages, less for paths and diffs."""
    messages = (
        [change.message for change in changes if change.commit.startswith(skill.commits)] if skill.commits else []
    )
    said = " ".join([skill.name, skill.description, *messages])
    sources = ((0.5, _added_text(repository, skill)), (0.7, skill.body), (1.0, said))
    return {word: weight for weight, text in sources for word in words_of(text)}


def _added_text(repository: Repository, skill: Skill) -> str:
    """The lines that the newest of the skill's changes added; nothing where this clone lacks it."""
    if not skill.commits:
        return ""
    try:
        shown = repository.run("show", "--format=", "--unified=0", "--no-color", "--no-ext-diff", skill.commits[0]).text
    except RepoError:
        return ""
    lines = [line[1:] for line in shown[:_MOST_DIFF].splitlines() if line.startswith("+") and line[:3] != "+++"]
    return "\n".join(lines)
