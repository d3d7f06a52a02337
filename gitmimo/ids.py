"""Names of objects, sessions, branches and refs; how a session stands, and the time."""

import enum
import os
import re
import time
import unicodedata
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


NOTES_REF = "refs/notes/mimo"
OPS_PREFIX = "refs/mimo/ops/"
_OURS = re.compile(r"refs/(mimo/|notes/mimo\Z|heads/mimo/|heads/.+/[0-9a-v]{10}/\d+\Z)")
_SLUG_LENGTH = 40


def candidate_branch(session: SessionId, number: int, *, prefix: str = "mimo") -> str:
    """Return the name of a candidate's branch."""
    return f"{prefix}/{session}/{number}"


def result_branch(session: SessionId, task_text: str, *, prefix: str = "mimo") -> str:
    """Return the name of the branch with a session's result: the task's first words, then the session."""
    plain = unicodedata.normalize("NFKD", task_text).encode("ascii", "ignore").decode().lower()
    slug = ""
    for word in re.findall(r"[a-z0-9]+", plain):
        if len(slug) + len(word) + 1 > _SLUG_LENGTH:
            break
        slug = f"{slug}-{word}" if slug else word
    return f"{prefix}/{slug or 'task'}-{session}"


def candidate_ref(session: SessionId, number: int) -> str:
    """Return the private ref that keeps a candidate's last commit when its branch goes."""
    return f"refs/mimo/candidates/{session}/{number}"


def base_ref(session: SessionId) -> str:
    """Return the private ref that keeps a session's base."""
    return f"refs/mimo/base/{session}"


def branch_ref(branch: str) -> str:
    """Return a branch's full ref."""
    return f"refs/heads/{short_name(branch)}"


def short_name(ref: str) -> str:
    """Return a ref as people write it: without `refs/heads/`."""
    return ref.removeprefix("refs/heads/")


def is_own_ref(ref: str) -> bool:
    """Whether git-mimo made the ref, so that nobody else moves it."""
    return bool(_OURS.match(ref))
