"""The ledger's SQLite file: opened by many threads and processes, changed by one at a time."""

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.locks import hold_lock

_BUSY_S = 60.0
_VERSION = 3
_SCHEMA = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, candidate INTEGER NOT NULL, phase TEXT NOT NULL,
    model TEXT NOT NULL, provider TEXT NOT NULL, at REAL NOT NULL, day TEXT NOT NULL, month TEXT NOT NULL,
    process TEXT NOT NULL, state TEXT NOT NULL, nano INTEGER NOT NULL, tokens INTEGER NOT NULL,
    prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL, priced INTEGER NOT NULL,
    seconds REAL NOT NULL DEFAULT 0, made INTEGER NOT NULL DEFAULT 1 -- how many calls a row sums up
) STRICT;
CREATE INDEX calls_session ON calls (session, candidate, state, nano, tokens);
CREATE INDEX calls_day ON calls (day, state, nano, tokens);
CREATE INDEX calls_provider ON calls (provider, at, tokens);
CREATE INDEX calls_reserved ON calls (process) WHERE state = 'reserved'
"""


class LedgerFile:
    """One connection a process, behind a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """An exclusive transaction."""
        try:
            with self._lock:
                db = self._connection = self._connection or self._open()
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
        except sqlite3.Error as exc:
            raise MimoError(f"the ledger cannot be used: `{self.path}`: {exc}") from exc

    def read(self, query: str, values: Mapping[str, object]) -> list[sqlite3.Row]:
        with self.transaction() as db:
            return db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file; it opens again when it is used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        weakref.finalize(self, db.close)
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        with hold_lock(self.path.with_suffix(".lock")):  # changing the journal mode does not wait by itself
            db.execute("PRAGMA journal_mode = WAL")
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version not in (0, _VERSION):
                said = f"the ledger was written by another version of git-mimo: `{self.path}`"
                raise MimoError(said, hint=f"mv {self.path} {self.path}.old   # its sums no longer count")
            if not version:
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; PRAGMA user_version = {_VERSION}; COMMIT")
        db.execute("PRAGMA synchronous = NORMAL")
