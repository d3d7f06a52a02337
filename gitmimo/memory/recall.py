"""Search over facts, sessions and skills of a commit, by an index that may vanish at any time."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gitmimo.codec import dump_json, from_json
from gitmimo.errors import BadMemory
from gitmimo.git.repository import Repository
from gitmimo.memory.facts import MEMORY_DIR, Fact, FactStatus, Origin, read_fact
from gitmimo.memory.front_matter import read_document, text_of
from gitmimo.memory.store import list_files, mark_stale
from gitmimo.records import Oid

SESSIONS_DIR = ".mimo/sessions"
SKILLS_DIR = ".mimo/skills"
INDEX_NAME = "recall.sqlite"  # in the repository's state directory
_VERSION = 2
_CUT = 0.15  # of the best score
_MOST_WORDS = 32
_MOST_BYTES = 262_144
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found. `kind` is fact, session or skill; `matched` is False where no word fits.

    `status` is a fact's, `stale` where a source changed since. What is not trusted must not be told as a rule.
    """

    kind: str
    id: str
    path: str
    title: str
    text: str
    status: str = ""
    trusted: bool = True
    score: float = 0.0
    matched: bool = True


def recall(repository: Repository, commit: str, query: str, limit: int = 5, *, kinds: Sequence[str] = ()) -> list[Hit]:
    """Return what fits the query best, the best first; never nothing while the commit knows anything.

    `kinds` narrows to fact, session or skill. The index is brought up to the commit first. When it can't be used it is
    made again, in memory where the disk refuses.
    """
    rows = _ask_index(repository, commit, lambda database: _ranked(database, query, limit, kinds))
    return [_hit(row, repository, commit, matched=matched) for row, matched in rows]


def best_match(repository: Repository, commit: str, task: str) -> Hit | None:
    """Return the one fact or session that fits the task best and may be told to a candidate; None when no word fits."""
    hits = recall(repository, commit, task, limit=5, kinds=("fact", "session"))
    return next((hit for hit in hits if hit.matched and hit.trusted and hit.status != "stale"), None)


def indexed_facts(repository: Repository, commit: str, *, limit: int) -> list[Fact]:
    """Return the trusted facts that rank first, from the index, those with changed sources marked stale."""
    wanted = (
        "SELECT data FROM items WHERE kind = 'fact' AND trusted = 1"
        " ORDER BY hurt > helped, status != 'verified', hurt - helped, created DESC, id LIMIT ?"
    )
    rows = _ask_index(repository, commit, lambda database: database.execute(wanted, (limit,)).fetchall())
    return list(mark_stale([from_json(Fact, json.loads(row[0])) for row in rows], repository, commit))


def drop_index(path: Path) -> None:
    """Remove an index; the next question makes it again."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


# --- the index -------------------------------------------------------------------------------------------------------

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE items (
  number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, blob TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  title TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL, trusted INTEGER NOT NULL, created TEXT NOT NULL,
  helped INTEGER NOT NULL, hurt INTEGER NOT NULL, data TEXT NOT NULL
)""",
    "CREATE INDEX items_by_rank ON items (kind, trusted, created)",
    'CREATE VIRTUAL TABLE words USING fts5 (title, text, tokenize = "porter unicode61 remove_diacritics 2")',
)


def _ask_index(repository: Repository, commit: str, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """Answer from the index as of the commit, in one transaction so that no other process moves it meanwhile."""
    path = repository.state_dir / INDEX_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(_open(str(path))) as database:
            return _answer(database, repository, commit, ask)
    except (sqlite3.Error, OSError) as exc:
        with contextlib.closing(_replacement(path, locked="locked" in str(exc))) as database:
            return _answer(database, repository, commit, ask)


def _answer(
    database: sqlite3.Connection, repository: Repository, commit: str, ask: Callable[[sqlite3.Connection], Answer]
) -> Answer:
    _bring_up(database, repository, commit)
    answer = ask(database)
    database.commit()
    return answer


def _replacement(path: Path, *, locked: bool) -> sqlite3.Connection:
    """Open a new index in place of a damaged one; in memory when somebody holds it or the disk refuses."""
    if not locked:
        try:
            drop_index(path)
            return _open(str(path))
        except (sqlite3.Error, OSError):
            pass
    return _open(":memory:")


def _open(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=20, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if _version_of(database) != _VERSION:
            database.execute("BEGIN IMMEDIATE")  # asked again inside: another process may have made them meanwhile
            if _version_of(database) != _VERSION:
                _make_tables(database)
            database.commit()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _version_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(database: sqlite3.Connection) -> None:
    for table in ("meta", "items", "words"):
        database.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {_VERSION}")


def _bring_up(database: sqlite3.Connection, repository: Repository, commit: str) -> None:
    """Index what differs between the index and the commit; leaves the transaction open, which the answer belongs to."""
    mimo = repository.find_entry(commit, ".mimo")
    wanted_tree = mimo.oid if mimo is not None else ""
    database.execute("BEGIN IMMEDIATE")
    held = database.execute("SELECT value FROM meta WHERE key = 'tree'").fetchone()
    if held and held[0] == wanted_tree:
        return
    known = dict(database.execute("SELECT path, blob FROM items"))
    wanted = dict(_files(repository, commit))
    gone = [path for path, blob in known.items() if wanted.get(path) != blob]
    for path in gone:
        (number,) = database.execute("SELECT number FROM items WHERE path = ?", (path,)).fetchone()
        database.execute("DELETE FROM words WHERE rowid = ?", (number,))
        database.execute("DELETE FROM items WHERE number = ?", (number,))
    for path, blob in wanted.items():
        if known.get(path) != blob:
            _add_item(database, path, blob, repository.read_object(blob))
    database.execute("INSERT OR REPLACE INTO meta VALUES ('tree', ?)", (wanted_tree,))


def _files(repository: Repository, commit: str) -> Iterator[tuple[str, Oid]]:
    for directory in (MEMORY_DIR, SESSIONS_DIR, SKILLS_DIR):
        for path, oid in list_files(repository, commit, directory):
            is_wanted = path.endswith("/SKILL.md") if directory == SKILLS_DIR else path.endswith(".md")
            if is_wanted:
                yield path, oid


def _add_item(database: sqlite3.Connection, path: str, blob: Oid, data: bytes) -> None:
    item = _item(path, data)
    cursor = database.execute(
        "INSERT INTO items (path, blob, kind, id, title, text, status, trusted, created, helped, hurt, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (path, blob, *item),
    )
    if item[0] != "damaged":
        database.execute(
            "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)",
            (cursor.lastrowid, _expanded(item[2]), _expanded(item[3])),
        )


def _item(path: str, data: bytes) -> tuple[str, str, str, str, str, int, str, int, int, str]:
    """Kind, id, title, text, status, trusted, created, helped, hurt and data of a file."""
    try:
        if path.startswith(MEMORY_DIR):
            fact = read_fact(data)
            trusted = int(fact.origin is Origin.TRUSTED)
            counts = (fact.created.isoformat(), fact.helped, fact.hurt)
            first = fact.text.splitlines()[0]
            return ("fact", fact.id, first, fact.text, fact.status.value, trusted, *counts, dump_json(fact))
        document = read_document(data, max_bytes=_MOST_BYTES)
        if path.startswith(SESSIONS_DIR):
            name, title = path.rpartition("/")[2].removesuffix(".md"), text_of(document, "task", "")
            return ("session", name, title, document.body, text_of(document, "status", ""), 1, "", 0, 0, "")
        name, title = path.split("/")[2], text_of(document, "description", "")
        return ("skill", name, f"{name}: {title}", document.body, "", 1, "", 0, 0, "")
    except BadMemory as exc:
        return ("damaged", path, "", exc.message, "", 0, "", 0, 0, "")


# --- the query -------------------------------------------------------------------------------------------------------

_COMMON = frozenset(
    re.findall(r"\w+", "a an the is are be of to in on for and or with by this that it its as at from i we you please")
)
_COLUMNS = "i.kind, i.id, i.path, i.title, i.text, i.status, i.trusted, i.helped, i.hurt, i.data"
_Row = tuple[str, str, str, str, str, str, int, int, int, str, float]


def _ranked(database: sqlite3.Connection, query: str, limit: int, kinds: Sequence[str]) -> list[tuple[_Row, bool]]:
    """Return rows, each with whether a word matched: whole words, else beginnings of words, else what ranks first."""
    words = _query_words(query)
    chosen = f" AND i.kind IN ({', '.join('?' * len(kinds))})" if kinds else " AND i.kind != 'damaged'"
    for form in ('"{}"', '"{}"*'):
        pattern = " OR ".join(form.format(word[:4] if form.endswith("*") else word) for word in words)
        if not pattern:
            break
        rows = database.execute(
            f"SELECT {_COLUMNS}, -bm25(words, 4.0, 1.0) AS score FROM words JOIN items AS i ON i.number = words.rowid"
            f" WHERE words MATCH ?{chosen} ORDER BY score DESC, i.id LIMIT ?",
            (pattern, *kinds, min(50, max(limit * 3, 10))),
        ).fetchall()
        if rows:
            weighed = sorted(((_weighed(row), row) for row in rows), key=lambda pair: (-pair[0], pair[1][1]))
            best = weighed[0][0]
            kept = [(*row[:-1], score) for score, row in weighed if score >= best * _CUT][:limit]
            return [(row, True) for row in kept]
    rows = database.execute(
        f"SELECT {_COLUMNS}, 0.0 FROM items AS i WHERE 1{chosen}"
        " ORDER BY i.status != 'verified', i.hurt - i.helped, i.created DESC, i.id DESC LIMIT ?",
        (*kinds, limit),
    ).fetchall()
    return [(row, False) for row in rows]


def _weighed(row: _Row) -> float:
    status, helped, hurt = row[5], row[7], row[8]
    weight = 1.2 if status == FactStatus.VERIFIED else 0.7 if status == FactStatus.STALE else 1.0
    return row[-1] * weight * (0.4 if hurt > helped else 1.0)


def _hit(row: _Row, repository: Repository, commit: str, *, matched: bool) -> Hit:
    kind, identity, path, title, text, status, trusted, _, _, data, score = row
    if kind == "fact":
        status = mark_stale([from_json(Fact, json.loads(data))], repository, commit)[0].status.value
    return Hit(
        kind=kind,
        id=identity,
        path=path,
        title=title,
        text=text,
        status=status,
        trusted=bool(trusted),
        score=round(score, 6),
        matched=matched,
    )


def _query_words(query: str) -> list[str]:
    words = [word for word in re.findall(r"\w+", _expanded(query[:20_000]).lower().replace("_", " ")) if len(word) > 1]
    telling = [word for word in words if word not in _COMMON]
    return list(dict.fromkeys(telling or words))[:_MOST_WORDS]


def _expanded(text: str) -> str:
    """Add the parts of names in camel case, which the tokenizer takes for one word."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", " ".join(re.findall(r"\w*[a-z][A-Z]\w*", text)))
    return f"{text} {' '.join(parts)}" if parts else text
