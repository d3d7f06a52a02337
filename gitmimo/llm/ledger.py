"""The ledger of all model calls: reserves the most that a call may cost, and records what it did cost.

A row counts from the moment it is reserved, at its worst case; if the process dies, it stays counted. Reserving reads
and writes in one exclusive transaction, so neither threads nor processes can overshoot together. Durable against the
death of a process; a power cut may lose the last rows.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.llm.budget import (
    WARN_AT,
    BudgetLimits,
    Decision,
    Estimate,
    LimitUsage,
    Scope,
    decide,
    limit_reached,
    to_nano,
)
from gitmimo.locks import hold_lock
from gitmimo.processes import is_alive, process_name
from gitmimo.records import Usage

_MINUTE_S = 60.0
_KEYS: Mapping[Scope, str] = {
    Scope.SESSION: "session = :session",
    Scope.CANDIDATE: "session = :session AND candidate = :candidate",
    Scope.DAY: "day = :day",
    Scope.MONTH: "day BETWEEN :month AND :month || '-31'",  # the index of days serves both
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is charged for a call. Candidate 0 is the session itself: critic, dream."""

    session: str
    candidate: int
    phase: str
    model: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A row of the ledger: `completion` is how much output the call may have."""

    row: int
    prompt: int
    completion: int
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A sum over calls. `lost` of them never reported their usage and count at their worst case."""

    key: str
    usd: float
    usage: Usage
    calls: int
    lost: int = 0
    unpriced: int = 0
    seconds: float = 0.0


class Ledger:
    """One file, `directory/ledger.sqlite3`, shared by all processes that open it. Safe for several threads."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = directory / "ledger.sqlite3"
        self._file = LedgerFile(self.path)
        self._clock = clock
        self._warned: set[tuple[str, str, int]] = set()

    def reserve(self, account: Account, estimate: Estimate, limits: BudgetLimits) -> Reservation | float:
        """Record a call at its worst case, with less output where the limits leave less.

        Seconds until another try when a rate, or calls that still run, are in the way; LimitReached when a limit is.
        """
        with self._file.transaction() as db:
            keys = self._keys(account)
            wait_s = self._rate_wait(db, account.provider, estimate, limits, keys["at"])
            if wait_s > 0:
                return wait_s
            usages = self._limit_usages(db, keys, limits)
            decision = decide(estimate, usages)
            if decision.wait and self._settle_dead(db):
                usages = self._limit_usages(db, keys, limits)
                decision = decide(estimate, usages)
            if decision.wait:
                return 0.05
            if decision.blocked is not None:
                raise limit_reached(decision.blocked)
            return self._write(db, keys, estimate, decision)

    def settle(
        self, reservation: Reservation, usage: Usage, cost_usd: float, *, seconds: float, calls: int = 1
    ) -> None:
        """Replace a reservation by what was really used, by so many calls."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE calls SET state = 'settled', process = '', nano = ?, tokens = ?, prompt = ?, cached = ?,"
                " completion = ?, seconds = ?, made = ? WHERE id = ?",
                (to_nano(cost_usd), usage.total, usage.prompt, usage.cached, usage.completion)
                + (seconds, calls, reservation.row),
            )

    def settle_unknown(self, reservation: Reservation, guess: Usage | None = None, *, seconds: float = 0.0) -> None:
        """Usage unknown: charge the reserved worst case. `guess` is for display only."""
        guess = guess or Usage(prompt=reservation.prompt, completion=reservation.completion)
        with self._file.transaction() as db:
            db.execute(
                "UPDATE calls SET state = 'lost', process = '', prompt = ?, cached = 0, completion = ?, seconds = ?"
                " WHERE id = ?",
                (guess.prompt, guess.completion, seconds, reservation.row),
            )

    def release(self, reservation: Reservation) -> None:
        """Delete a reservation: the provider has counted nothing."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE calls SET state = 'free', process = '', nano = 0, tokens = 0, prompt = 0, completion = 0"
                " WHERE id = ?",
                (reservation.row,),
            )

    def limit_usages(self, account: Account, limits: BudgetLimits) -> tuple[LimitUsage, ...]:
        """How much of each limit that is set is spent."""
        with self._file.transaction() as db:
            return self._limit_usages(db, self._keys(account), limits)

    def new_warnings(self, account: Account, limits: BudgetLimits) -> tuple[LimitUsage, ...]:
        """Limits of which 80 % are spent and that this process has not reported yet."""
        if not limits.scopes():
            return ()
        fresh = []
        for usage in self.limit_usages(account, limits):
            candidate = account.candidate if usage.scope is Scope.CANDIDATE else -1
            key = (account.session, f"{usage.name}/{candidate}", usage.limit)
            if usage.spent - usage.in_flight >= WARN_AT * usage.limit and key not in self._warned:
                self._warned.add(key)
                fresh.append(usage)
        return tuple(fresh)

    def spent(self, *, by: str = "session", session: str | None = None) -> tuple[Totals, ...]:
        """Sums by `session`, `candidate`, `phase`, `model`, `provider`, `day` or `month`, oldest first."""
        if by not in ("session", "candidate", "phase", "model", "provider", "day", "month"):
            raise MimoError(f"cannot add up calls by `{by}`")
        column = "session || '/' || candidate" if by == "candidate" and session is None else by
        where = "state != 'free'" + (" AND session = :session" if session is not None else "")
        rows = self._file.read(
            f"SELECT {column} AS key, SUM(nano) AS nano, SUM(prompt) AS prompt, SUM(cached) AS cached,"  # noqa: S608
            " SUM(completion) AS completion, SUM(made) AS calls, SUM(state IN ('lost', 'reserved')) AS lost,"
            f" SUM(priced = 0) AS unpriced, SUM(seconds) AS seconds FROM calls WHERE {where}"
            " GROUP BY key ORDER BY MIN(at)",
            {"session": session},
        )
        return tuple(
            Totals(
                key=str(row["key"]),
                usd=row["nano"] / 1e9,
                usage=Usage(prompt=row["prompt"], cached=row["cached"], completion=row["completion"]),
                calls=row["calls"],
                lost=row["lost"],
                unpriced=row["unpriced"],
                seconds=row["seconds"],
            )
            for row in rows
        )

    def total(self, session: str) -> Totals:
        """Everything of one session."""
        found = self.spent(by="session", session=session)
        return found[0] if found else Totals(key=session, usd=0.0, usage=Usage(), calls=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- inside a transaction ----------------------------------------------------------------------------------------

    def _keys(self, account: Account) -> dict[str, str | int | float]:
        now = self._clock()
        date = datetime.fromtimestamp(now, UTC)
        return {**asdict(account), "at": now, "day": f"{date:%Y-%m-%d}", "month": f"{date:%Y-%m}"}

    def _limit_usages(
        self, db: sqlite3.Connection, keys: Mapping[str, str | int | float], limits: BudgetLimits
    ) -> tuple[LimitUsage, ...]:
        sums: dict[Scope, sqlite3.Row] = {}
        for scope in dict.fromkeys(scope for scope, _, _ in limits.scopes()):
            sums[scope] = db.execute(
                "SELECT COALESCE(SUM(nano), 0) AS usd, COALESCE(SUM(tokens), 0) AS tokens,"  # noqa: S608
                " COALESCE(SUM(nano * (state = 'reserved')), 0) AS flying_usd,"
                " COALESCE(SUM(tokens * (state = 'reserved')), 0) AS flying_tokens"
                f" FROM calls WHERE {_KEYS[scope]}",
                keys,
            ).fetchone()
        return tuple(
            LimitUsage(
                scope=scope,
                unit=unit,
                limit=limit,
                spent=sums[scope][unit.value],
                in_flight=sums[scope][f"flying_{unit}"],
            )
            for scope, unit, limit in limits.scopes()
        )

    def _rate_wait(
        self, db: sqlite3.Connection, provider: str, estimate: Estimate, limits: BudgetLimits, now: str | int | float
    ) -> float:
        """Seconds until the last minute has room; a call larger than a whole minute's tokens waits for an empty one."""
        if limits.requests_per_minute is None and limits.tokens_per_minute is None:
            return 0.0
        since = float(now) - _MINUTE_S
        rows = db.execute(
            "SELECT at, tokens FROM calls WHERE provider = ? AND at > ? ORDER BY at DESC",
            (provider, since),
        ).fetchall()
        wait_s, tokens = 0.0, estimate.prompt + estimate.completion
        for count, row in enumerate(rows, start=1):  # newest first: the oldest that must leave the window decides
            tokens += row["tokens"]
            too_many = limits.requests_per_minute is not None and count >= limits.requests_per_minute
            too_much = limits.tokens_per_minute is not None and tokens > limits.tokens_per_minute
            if too_many or too_much:
                wait_s = max(wait_s, row["at"] - since)
                break
        return wait_s

    def _write(
        self, db: sqlite3.Connection, keys: Mapping[str, str | int | float], estimate: Estimate, decision: Decision
    ) -> Reservation:
        nano = estimate.nano_usd(decision.completion)
        cursor = db.execute(
            "INSERT INTO calls (session, candidate, phase, model, provider, at, day, month, process, state, nano,"
            " tokens, prompt, cached, completion, priced) VALUES (:session, :candidate, :phase, :model, :provider, :at,"
            " :day, :month, :process, 'reserved', :nano, :tokens, :prompt, 0, :completion, :priced)",
            {
                **keys,
                "process": process_name(os.getpid()),
                "nano": nano,
                "tokens": estimate.prompt + decision.completion,
                "prompt": estimate.prompt,
                "completion": decision.completion,
                "priced": int(estimate.price is not None),
            },
        )
        return Reservation(
            row=int(cursor.lastrowid or 0), prompt=estimate.prompt, completion=decision.completion, nano_usd=nano
        )

    def _settle_dead(self, db: sqlite3.Connection) -> bool:
        """Mark reservations of dead processes as lost: they stay counted, and nobody waits for them."""
        rows = db.execute("SELECT DISTINCT process FROM calls WHERE state = 'reserved'").fetchall()
        dead = [row["process"] for row in rows if not is_alive(row["process"])]
        db.executemany(
            "UPDATE calls SET state = 'lost', process = '' WHERE state = 'reserved' AND process = ?",
            [(name,) for name in dead],
        )
        return bool(dead)
