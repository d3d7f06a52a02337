"""Names of objects and sessions, how a session stands, and the time: what a list of sessions needs of the records."""

import enum
import os
import re
import time
from datetime import UTC, datetime
from typing import NewType

Oid = NewType("Oid", str)
"""A full hexadecimal object id, of a commit, tree or blob."""

SessionId = NewType("SessionId", str)
"""Ten lower-case base32hex characters; sorts by time of creation."""

_ID_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_ID_EPOCH_S = 1_735_689_600  # 2025-01-01 UTC
_ID_PATTERN = re.compile(r"[0-9a-v]{10}\Z")


def new_session_id(*, now_s: float | None = None) -> SessionId:
    """Make an id: 34 bits of tenths of a second since 2025 (until 2079), then 16 random bits."""
    tenths = int(((time.time() if now_s is None else now_s) - _ID_EPOCH_S) * 10) & ((1 << 34) - 1)
    number = (tenths << 16) | int.from_bytes(os.urandom(2))
    return SessionId("".join(_ID_DIGITS[(number >> shift) & 31] for shift in range(45, -1, -5)))


def is_session_id(text: str) -> bool:
    """Say whether the text has the form of a session id."""
    return bool(_ID_PATTERN.match(text))


def utc_now() -> datetime:
    """Return the time now, aware, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


class SessionStatus(enum.StrEnum):
    """How a session stands; the first two mean that it isn't over."""

    RUNNING = "running"
    STOPPED = "stopped"
    PASSED = "passed"
    UNSETTLED = "unsettled"  # a product passed every gate, and a person has to decide
    FAILED = "failed"
    BUDGET = "budget"
    ERROR = "error"
    INTERRUPTED = "interrupted"
