"""Sessions read back from their journals: which there are, how they stand, what they found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gitmimo.errors import JournalError, MimoError, UsageError
from gitmimo.git.lock import LockTimeout, hold_lock
from gitmimo.git.repository import Repository
from gitmimo.journal import Entry, read_journal
from gitmimo.records import (
    CandidateResult,
    Oid,
    SessionId,
    SessionResult,
    SessionStatus,
    from_json,
    is_session_id,
)

LOCK_NAME = "lock"
STOP_NAME = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session and where it stands: `phase` and `last_event` matter while it runs or after a crash."""

    result: SessionResult
    phase: str = ""
    last_event: datetime | None = None
    process: int | None = None


def sessions_directory(repository: Repository) -> Path:
    """Where the journals of this repository's sessions lie."""
    return repository.state_dir / "sessions"


def list_session_ids(repository: Repository) -> list[SessionId]:
    """Name every session of this repository, newest first."""
    directory = sessions_directory(repository)
    if not directory.is_dir():
        return []
    return sorted((SessionId(path.name) for path in directory.iterdir() if is_session_id(path.name)), reverse=True)


def find_session(repository: Repository, name: str | None) -> SessionId:
    """Resolve what a person typed: a full id, a unique beginning of one, a branch of it, or nothing for the newest."""
    ids = list_session_ids(repository)
    if not ids:
        raise UsageError("this repository has no session yet", hint='git mimo start --task "..."')
    if not name:
        return ids[0]
    last = name.rstrip("/").rpartition("/")[2]
    wanted = [part for part in (name, last, last.rpartition("-")[2], name.rstrip("/").split("/")[-2:][0]) if part]
    for text in wanted:
        matching = [session for session in ids if session.startswith(text)]
        if len(matching) == 1 or text in matching:
            return matching[0] if len(matching) == 1 else SessionId(text)
        if matching and text == name:
            raise UsageError(f"more than one session begins with `{name}`: {', '.join(matching[:5])}")
    raise UsageError(f"no such session: `{name}`", hint="git mimo list")


def read_session(repository: Repository, session: SessionId) -> SessionState:
    """Fold a session's journal into its state."""
    directory = sessions_directory(repository) / session
    entries = read_journal(directory / "journal.jsonl")
    if not entries:
        raise JournalError(f"nothing was recorded of session `{session}`")
    state = _fold(session, entries)
    if state.result.status is SessionStatus.RUNNING and not _is_locked(directory / LOCK_NAME):
        state = replace(state, result=replace(state.result, status=SessionStatus.STOPPED))
    return state


def read_all(repository: Repository, *, limit: int | None = None) -> Iterator[SessionState]:
    """Read every session, newest first; one whose journal is damaged is reported as an error, not skipped."""
    for session in list_session_ids(repository)[:limit]:
        try:
            yield read_session(repository, session)
        except (JournalError, ValueError) as exc:
            reason = exc.message if isinstance(exc, MimoError) else str(exc)
            yield SessionState(
                result=SessionResult(
                    session=session,
                    status=SessionStatus.ERROR,
                    task="",
                    base=Oid(""),
                    target_branch=None,
                    message=reason,
                )
            )


def request_stop(repository: Repository, name: str | None) -> tuple[SessionId, ...]:
    """Ask a running session, or all that run when none is named, to stop; name those that were asked."""
    wanted = [find_session(repository, name)] if name else list_session_ids(repository)
    stopped = []
    for session in wanted:
        directory = sessions_directory(repository) / session
        if _is_locked(directory / LOCK_NAME):
            (directory / STOP_NAME).touch()
            stopped.append(session)
    return tuple(stopped)


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with hold_lock(path, wait_s=0):
            return False
    except LockTimeout:
        return True


def _fold(session: SessionId, entries: list[Entry]) -> SessionState:
    result: SessionResult | None = None
    process: int | None = None
    phase = ""
    candidates: dict[int, CandidateResult] = {}
    for entry in entries:
        match entry.event:
            case "session" if not entry.done:
                data = dict(entry.data)
                process = data.pop("process", None)
                data.pop("process_start", None)
                result = from_json(SessionResult, {"session": session, "status": "running", **data})
            case "candidate" if entry.done:
                found = from_json(CandidateResult, entry.data["result"])
                candidates[found.number] = found
            case "session" | "landed" | "merged" if entry.done:
                result = from_json(SessionResult, entry.data["result"])
            case _:
                pass
        phase = entry.event
    if result is None:
        raise JournalError(f"the journal of session `{session}` does not begin with the session")
    if not result.candidates and candidates:
        result = replace(result, candidates=tuple(candidates[number] for number in sorted(candidates)))
    return SessionState(result=result, phase=phase, last_event=entries[-1].time, process=process)
