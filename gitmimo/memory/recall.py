"""Search over a commit's notes and skills and the changes in its history."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gitmimo.git.repository import Repository
from gitmimo.memory.changes import read_changes
from gitmimo.memory.notes import MEMORY_PATH, read_notes
from gitmimo.memory.skill_file import SKILLS_DIR, read_library
from gitmimo.text import words_of

_MOST_WORDS = 32
_CUT = 0.15  # of the best score


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found. `kind` is note, skill or change; `status` says `stale` of a note whose source moved."""

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
    pattern = " OR ".join(f'"{word}"' for word in dict.fromkeys(_search_words(query)[:_MOST_WORDS]))
    if not items or not pattern:
        return []
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute('CREATE VIRTUAL TABLE words USING fts5 (title, text, tokenize = "unicode61")')
        rows = [
            (number, *(" ".join(_search_words(text)) for text in (h.title, h.text))) for number, h in enumerate(items)
        ]
        database.executemany("INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)", rows)
        found = database.execute(
            "SELECT rowid, -bm25(words, 4.0, 1.0) FROM words WHERE words MATCH ? ORDER BY 2 DESC, rowid LIMIT ?",
            (pattern, limit),
        ).fetchall()
    best = found[0][1] if found else 0.0
    return [replace(items[number], score=round(score, 6)) for number, score in found if score >= best * _CUT]


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
