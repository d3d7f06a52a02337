"""What a prompt says about the project: its rules, notes and skills, and what of them fits a task or a query.

What fits is ranked by the words that are shared, weighed by their rarity.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitmimo.errors import RepoError
from gitmimo.git.repository import LINK, Repository
from gitmimo.memory.changes import Change, read_changes
from gitmimo.memory.notes import MEMORY_PATH, Note, format_notes, read_notes
from gitmimo.memory.skill_file import MAX_ACTIVE, SKILLS_DIR, Skill, read_library, unmet_requirements
from gitmimo.text import cut_middle, escape_controls, words_of

_LEAST_SHARE = 0.3  # of a task, for a skill
_CUT = 0.1  # of the best score, for a query
_UNSEEN = 0.25  # of the highest weight: a word that is nowhere in the project is likely the name of something new
_MOST_DIFF = 40_000
_RULE_FILES = ("AGENTS.md", "CLAUDE.md")
_MOST_NOTES = 200


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


def recall(repository: Repository, commit: str, query: str, limit: int = 5) -> list[Hit]:
    """Return what fits the query best, the best first."""
    items = list(_items(repository, commit))
    known = [_words_with_weights((0.5, _search_words(hit.text)), (1.0, _search_words(hit.title))) for hit in items]
    wanted = _weights(_search_words(query), known)
    found = [replace(hit, score=_share(wanted, words)) for hit, words in zip(items, known, strict=True)]
    best = max((hit.score for hit in found), default=0.0)
    fitting = [hit for hit in found if hit.score > best * _CUT]
    return sorted(fitting, key=lambda hit: -hit.score)[:limit]


def find_skill(repository: Repository, commit: str, task: str) -> Skill | None:
    """Return the skill whose words cover most of the task's weight; None when none covers `_LEAST_SHARE` of it."""
    skills = read_library(repository, commit).skills
    if not skills:
        return None
    changes = read_changes(repository, commit)
    known = [_vocabulary(repository, skill, changes) for skill in skills]
    wanted = _weights(words_of(task), [*(set(words_of(change.message)) for change in changes), *known])
    shares = {skill.name: _share(wanted, words) for skill, words in zip(skills, known, strict=True)}
    best = min(skills, key=lambda skill: (-shares[skill.name], skill.name))
    return best if shares[best.name] >= _LEAST_SHARE else None


def prefix_text(repository: Repository, commit: str, *, max_chars: int = 24_000) -> str:
    """Return the project's rules, notes and the names of its skills as of the commit; empty when there are none.

    The same bytes for the same commit, so that all candidates share a provider's cache. Every part is labelled with
    the file it comes from; what doesn't fit is cut and says so.
    """
    parts = []
    room = max_chars
    for name, text in _rule_files(repository, commit):
        shown = cut_middle(text, max(0, min(room, max_chars // 2)), pointer=name)
        parts.append(f'<project-rules file="{name}">\n{shown}\n</project-rules>')
        room -= len(shown)
    notes = read_notes(repository, commit)
    if notes and room > 500:
        shown = cut_middle(_notes_text(notes), room, pointer=".mimo/MEMORY.md")
        parts.append(f'<project-memory file=".mimo/MEMORY.md">\n{shown}\n</project-memory>')
        room -= len(shown)
    skills = read_library(repository, commit).skills[:MAX_ACTIVE]
    if skills and room > 500:
        shown = cut_middle("\n".join(f"- {skill.name}: {escape_controls(skill.description)}" for skill in skills), room)
        parts.append(f'<project-skills directory=".mimo/skills">\n{shown}\n</project-skills>')
    return "\n\n".join(parts)


def skill_text(repository: Repository, commit: str, skill: Skill, *, max_chars: int = 6_000) -> str:
    """Return one skill as it is put into the prompt, with what has changed of what it depends on."""
    unmet = unmet_requirements(repository, commit, skill)
    warning = "".join(f"\nCheck first: {reason}" for reason in unmet)
    body = cut_middle(escape_controls(f"{skill.description}\n\n{skill.body.strip()}"), max_chars)
    return (
        f'<skill name="{skill.name}" file=".mimo/skills/{skill.name}/SKILL.md">\n{body}{warning}\n</skill>\n'
        "How this project did it before. Follow it where it fits the task; the task itself counts more."
    )


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


def _notes_text(notes: tuple[Note, ...]) -> str:
    groups = escape_controls(format_notes(notes[:_MOST_NOTES])).split("\n## ")[1:]
    parts = [f"## {group.strip()}" for group in groups if "\n- " in group]
    if stale := [f"- {escape_controls(note.text)}" for note in notes if note.is_stale]:
        parts.append("## Stale\n\nThe files of these have changed since; check them first:\n" + "\n".join(stale))
    return "\n\n".join(parts)


def _rule_files(repository: Repository, commit: str) -> list[tuple[str, str]]:
    """Return the rule files with their text; one that only points to another is left out."""
    found: list[tuple[str, str]] = []
    for name in _RULE_FILES:
        entry = repository.find_entry(commit, name)
        data = repository.read_blob(commit, name)
        if entry is None or entry.mode == LINK or data is None:
            continue
        text = escape_controls(data.decode(errors="replace")).strip().replace("</project-", "< /project-")
        if text and text not in (f"@{other}" for other in _RULE_FILES) and text not in (known for _, known in found):
            found.append((name, text))
    return found
