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
from gitmimo.files import hold_lock
from gitmimo.llm.budget import NANO, BudgetLimits, Estimate, LimitUsage, Scope, Unit, grant, to_nano
from gitmimo.processes import is_alive, process_name
from gitmimo.records import Usage

_POLL_S = 0.05
_COLUMNS: Mapping[Unit, str] = {Unit.USD: "nano", Unit.TOKENS: "tokens"}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is charged for a call. Candidate 0 is the session itself: planning, critic, dream."""

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


class Ledger:
    """One file, `directory/ledger.sqlite3`, shared by all processes that open it. Safe for several threads."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = directory / "ledger.sqlite3"
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def reserve(self, account: Account, estimate: Estimate, limits: BudgetLimits) -> Reservation | float:
        """Record a call at its worst case, with less output where the limits leave less.

        Seconds until another try when calls that still run are in the way; LimitReached when a limit is.
        """
        with self._transaction() as db:
            self._settle_dead(db)
            keys = self._keys(account)
            granted = grant(estimate, self._limit_usages(db, keys, limits))
            if granted is None:
                return _POLL_S
            nano = estimate.nano_usd(granted)
            cursor = db.execute(
                "INSERT INTO calls (session, candidate, phase, model, provider, at, day, month, process, state, nano,"
                " tokens, prompt, cached, completion, priced) VALUES (:session, :candidate, :phase, :model, :provider,"
                " :at, :day, :month, :process, 'reserved', :nano, :tokens, :prompt, 0, :completion, :priced)",
                {
                    **keys,
                    "process": process_name(os.getpid()),
                    "nano": nano,
                    "tokens": estimate.prompt + granted,
                    "prompt": estimate.prompt,
                    "completion": granted,
                    "priced": int(estimate.price is not None),
                },
            )
            row = int(cursor.lastrowid or 0)
            return Reservation(row=row, prompt=estimate.prompt, completion=granted, nano_usd=nano)

    def settle(
        self, reservation: Reservation, usage: Usage, cost_usd: float, *, seconds: float, calls: int = 1
    ) -> None:
        """Replace a reservation by what was really used, by so many calls."""
        self._end(
            reservation,
            state="settled",
            nano=to_nano(cost_usd),
            tokens=usage.total,
            prompt=usage.prompt,
            cached=usage.cached,
            completion=usage.completion,
            seconds=seconds,
            made=calls,
        )

    def settle_unknown(self, reservation: Reservation, guess: Usage | None = None, *, seconds: float = 0.0) -> None:
        """Usage unknown: charge the reserved worst case. `guess` is for display only."""
        guess = guess or Usage(prompt=reservation.prompt, completion=reservation.completion)
        self._end(reservation, state="lost", prompt=guess.prompt, completion=guess.completion, seconds=seconds)

    def release(self, reservation: Reservation) -> None:
        """Charge nothing: the provider has counted nothing."""
        self._end(reservation, state="free", nano=0, tokens=0, prompt=0, completion=0)

    def limit_usages(self, account: Account, limits: BudgetLimits) -> tuple[LimitUsage, ...]:
        """How much of each limit that is set is spent."""
        with self._transaction() as db:
            return self._limit_usages(db, self._keys(account), limits)

    def spent(self, *, by: str = "session", session: str | None = None) -> tuple[Totals, ...]:
        """Sums by `session`, `candidate`, `model` or `day`, oldest first."""
        if by not in ("session", "candidate", "model", "day"):
            raise MimoError(f"cannot add up calls by `{by}`")
        column = "session || '/' || candidate" if by == "candidate" and session is None else by
        where = "state != 'free'" + (" AND session = :session" if session is not None else "")
        with self._transaction() as db:
            rows = db.execute(
                f"SELECT {column} AS key, SUM(nano), SUM(prompt), SUM(cached), SUM(completion), SUM(made),"  # noqa: S608
                f" SUM(state != 'settled') FROM calls WHERE {where} GROUP BY key ORDER BY MIN(at)",
                {"session": session},
            ).fetchall()
        return tuple(
            Totals(
                key=str(key),
                usd=nano / NANO,
                usage=Usage(prompt=prompt, cached=cached, completion=completion),
                calls=calls,
                lost=lost,
            )
            for key, nano, prompt, cached, completion, calls, lost in rows
        )

    def total(self, session: str) -> Totals:
        """Everything of one session."""
        found = self.spent(by="session", session=session)
        return found[0] if found else Totals(key=session, usd=0.0, usage=Usage(), calls=0)

    def close(self) -> None:
        """Close the file; it opens again when it is used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    # --- the file ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """An exclusive transaction."""
        try:
            with self._lock:
                self._connection = self._connection or self._open()
                with self._connection as db:
                    db.execute("BEGIN IMMEDIATE")
                    yield db
        except sqlite3.Error as exc:
            raise MimoError(f"the ledger cannot be used: `{self.path}`: {exc}") from exc

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        weakref.finalize(self, db.close)
        with hold_lock(self.path.with_suffix(".lock")):  # changing the journal mode does not wait by itself
            db.execute("PRAGMA journal_mode = WAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                said = f"the ledger was written by another version of git-mimo: `{self.path}`"
                raise MimoError(said, hint=f"mv {self.path} {self.path}.old   # its sums no longer count")
            if not version:
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; PRAGMA user_version = {_VERSION}; COMMIT")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    # --- inside a transaction ----------------------------------------------------------------------------------------

    def _end(self, reservation: Reservation, **columns: str | float) -> None:
        """Write how a reserved call ended; columns that aren't given keep the worst case."""
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        with self._transaction() as db:
            db.execute(f"UPDATE calls SET process = '', {changes} WHERE id = :row", {**columns, "row": reservation.row})  # noqa: S608

    def _keys(self, account: Account) -> dict[str, str | int | float]:
        now = self._clock()
        date = datetime.fromtimestamp(now, UTC)
        return {**asdict(account), "at": now, "day": f"{date:%Y-%m-%d}", "month": f"{date:%Y-%m}"}

    def _limit_usages(
        self, db: sqlite3.Connection, keys: Mapping[str, str | int | float], limits: BudgetLimits
    ) -> tuple[LimitUsage, ...]:
        usages = []
        for scope, unit, limit in limits.scopes():
            column = _COLUMNS[unit]
            spent, in_flight = db.execute(
                f"SELECT SUM({column}), SUM({column} * (state = 'reserved')) FROM calls WHERE {_KEYS[scope]}",  # noqa: S608
                keys,
            ).fetchone()
            usages.append(LimitUsage(scope=scope, unit=unit, limit=limit, spent=spent or 0, in_flight=in_flight or 0))
        return tuple(usages)

    def _settle_dead(self, db: sqlite3.Connection) -> None:
        """Mark reservations of dead processes as lost: they stay counted, and nobody waits for them."""
        for (name,) in db.execute("SELECT DISTINCT process FROM calls WHERE state = 'reserved'").fetchall():
            if not is_alive(name):
                db.execute(
                    "UPDATE calls SET state = 'lost', process = '' WHERE state = 'reserved' AND process = ?", (name,)
                )
