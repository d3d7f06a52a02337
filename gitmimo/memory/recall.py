"""What of notes, skills and the log fits a query, and which skills fit a task: ranked by the words that they share."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.memory.changes import Change, read_changes
from gitmimo.memory.notes import MEMORY_PATH, read_notes
from gitmimo.memory.skill_file import SKILLS_DIR, Skill, read_library
from gitmimo.text import words_of

LEAST_SCORE = 0.3  # of a skill, for a task
_CUT = 0.1  # of the best score, for a query
_UNSEEN = 0.25  # of the highest weight: a word that is nowhere in the project is likely the name of something new
_MOST_DIFF = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found. `kind` is note, skill or change; `status` says `stale` of a note whose source moved.

    `score` is how much of the query's weight its words cover, 0 to 1.
    """

    kind: str
    id: str
    path: str
    title: str
    text: str
    status: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A skill and how much of the task's weight its words cover, 0 to 1."""

    skill: Skill
    score: float


def recall(repository: Repository, commit: str, query: str, limit: int = 5) -> list[Hit]:
    """Return what fits the query best, the best first."""
    items = list(_items(repository, commit))
    known = [_words_with_weights((0.5, _search_words(hit.text)), (1.0, _search_words(hit.title))) for hit in items]
    wanted = _weights(_search_words(query), known)
    found = [replace(hit, score=_share(wanted, words)) for hit, words in zip(items, known, strict=True)]
    best = max((hit.score for hit in found), default=0.0)
    fitting = [hit for hit in found if hit.score > best * _CUT]
    return sorted(fitting, key=lambda hit: -hit.score)[:limit]


def rank_skills(repository: Repository, commit: str, task: str, skills: Sequence[Skill]) -> tuple[Match, ...]:
    """Return the skills that fit a task, the best first; none below `LEAST_SCORE`."""
    if not skills:
        return ()
    changes = read_changes(repository, commit)
    known = [_vocabulary(repository, skill, changes) for skill in skills]
    wanted = _weights(words_of(task), [*(set(words_of(change.message)) for change in changes), *known])
    found = [Match(skill=skill, score=_share(wanted, words)) for skill, words in zip(skills, known, strict=True)]
    return tuple(sorted((m for m in found if m.score >= LEAST_SCORE), key=lambda m: (-m.score, m.skill.name)))


def _weights(query: Sequence[str], documents: Sequence[Collection[str]]) -> dict[str, float]:
    """The weight of each word of a query: higher for words that are rare, but not absent, in the documents."""
    counts = Counter(word for document in documents for word in document)
    most = math.log(len(documents) + 1)
    return {word: math.log((len(documents) + 1) / counts[word]) if counts[word] else _UNSEEN * most for word in query}


def _share(wanted: Mapping[str, float], words: Mapping[str, float]) -> float:
    """How much of the wanted weight these words cover, 0 to 1."""
    covered = sum(weight * words.get(word, 0.0) for word, weight in wanted.items())
    return round(covered / (sum(wanted.values()) or 1.0), 4)


def _words_with_weights(*sources: tuple[float, Sequence[str]]) -> dict[str, float]:
    """Words with the weight of the last source that has them."""
    return {word: weight for weight, words in sources for word in words}


def _vocabulary(repository: Repository, skill: Skill, changes: Sequence[Change]) -> dict[str, float]:
    """The words of a skill with their weights: 1 for words of messages, less for paths and diffs."""
    messages = (
        [change.message for change in changes if change.commit.startswith(skill.commits)] if skill.commits else []
    )
    said = " ".join([skill.name, skill.description, *messages])
    sources = ((0.5, _added_text(repository, skill)), (0.7, skill.body), (1.0, said))
    return _words_with_weights(*((weight, words_of(text)) for weight, text in sources))


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


def _items(repository: Repository, commit: str) -> Iterator[Hit]:
    for note in read_notes(repository, commit):
        status = "stale" if note.is_stale else ""
        yield Hit(kind="note", id=note.id, path=MEMORY_PATH, title=note.text, text=note.kind.value, status=status)
    for skill in read_library(repository, commit).skills:
        path = f"{SKILLS_DIR}/{skill.name}/SKILL.md"
        yield Hit(kind="skill", id=skill.name, path=path, title=f"{skill.name}: {skill.description}", text=skill.body)
    for change in read_changes(repository, commit):
        text = "\n".join([change.message.partition("\n")[2].strip(), *change.paths[:50]])
        yield Hit(kind="change", id=change.commit[:10], path="", title=change.subject, text=text.strip())


def _search_words(text: str) -> list[str]:
    """Words in comparable form; those in other scripts as they are."""
    return [*words_of(text), *(word.lower() for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())]
