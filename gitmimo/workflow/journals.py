"""Sessions read back from their journals: no git is asked, and a list of them decodes no record of evidence."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitmimo.codec import from_json, to_json
from gitmimo.errors import JournalError, MimoError, UsageError
from gitmimo.files import is_locked
from gitmimo.ids import Oid, SessionId, SessionStatus, is_session_id
from gitmimo.journal import Entry, read_journal
from gitmimo.workflow.directories import (
    LOCK_NAME,
    STOP_NAME,
    Home,
    hints_path,
    journal_path,
    sessions_directory,
    stop_name,
)

if TYPE_CHECKING:
    from gitmimo.records import SessionResult

_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class SessionState:
    """A session and its progress: `phase` and `last_event` matter while it runs or after a crash."""

    values: Mapping[str, Any]  # of its `SessionResult`, as JSON has them
    phase: str = ""
    last_event: datetime | None = None
    process: int | None = None
    is_closed: bool = True  # whether its process came to an end by itself
    merging: Oid | None = None  # what was about to be merged, and is not known to have been
    picked: int | None = None  # the candidate that a person merged instead of the verdict's
    rejected: str = ""  # why a person does not want the result
    settings: Mapping[str, Any] = field(default_factory=dict)  # the configuration it was started with

    @property
    def session(self) -> SessionId:
        """The session's id."""
        return SessionId(self.values["session"])

    @property
    def status(self) -> SessionStatus:
        """How the session stands."""
        return SessionStatus(self.values["status"])

    @functools.cached_property
    def result(self) -> SessionResult:
        """What the session has come to; ValueError where another version wrote a record."""
        from gitmimo.records import SessionResult

        return from_json(SessionResult, self.values)

    def brief(self) -> dict[str, Any]:
        """The session as a list of sessions has it, in plain JSON values."""
        values = self.values
        usage = values.get("usage", {})
        return {
            "session": values["session"],
            "status": values["status"],
            "phase": self.phase,
            "task": values["task"],
            "started": values.get("started"),
            "base": values["base"],
            "target_branch": values["target_branch"],
            "candidates": len(values.get("candidates", ())),
            "winner": (values.get("verdict") or {}).get("winner"),
            "result_branch": values.get("result_branch"),
            "merged": values.get("merged", False),
            "usd": values.get("cost_usd", 0.0),
            "tokens": usage.get("prompt", 0) + usage.get("completion", 0),
            "seconds": values.get("seconds", 0.0),
            "message": values.get("message", ""),
        }


def list_session_ids(repository: Home) -> list[SessionId]:
    """Name every session of this repository, newest first; one that was killed before it wrote anything is none."""
    return sorted((SessionId(path.name) for path in _directories(repository) if _journal_size(path) > 0), reverse=True)


def list_stillborn(repository: Home) -> list[Path]:
    """The directories of sessions that were killed, or are about to begin, before their journal's first line."""
    return sorted(path for path in _directories(repository) if _journal_size(path) == 0)


def _directories(repository: Home) -> list[Path]:
    directory = sessions_directory(repository)
    return [path for path in directory.iterdir() if is_session_id(path.name)] if directory.is_dir() else []


def _journal_size(directory: Path) -> int:
    """In bytes; negative where that is not certain: what can't be read now may well be a journal."""
    try:
        return os.stat(f"{directory}/journal.jsonl").st_size  # noqa: PTH116  hundreds of paths take time to make
    except FileNotFoundError:
        return 0 if directory.is_dir() and not directory.is_symlink() else -1
    except OSError:
        return -1


def find_session(repository: Home, name: str | None) -> SessionId:
    """Resolve what a person typed: a full id, a unique beginning of one, a branch of it, or nothing for the newest."""
    ids = list_session_ids(repository)
    if not ids:
        raise UsageError(
            "this clone has no session yet",
            hint='git mimo start "..."\ngit mimo review origin/BRANCH   # a result that another clone pushed',
        )
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


def read_session(repository: Home, session: SessionId) -> SessionState:
    """Fold a session's journal into its state."""
    directory = sessions_directory(repository) / session
    entries = read_journal(directory / "journal.jsonl")
    if not entries:
        raise JournalError(f"nothing was recorded of session `{session}`")
    state = _fold(session, entries)
    if state.status is SessionStatus.RUNNING:
        return _unfinished(state, entries, is_running=is_locked(directory / LOCK_NAME))
    if not state.values.get("candidates"):
        state = replace(state, values={**state.values, "candidates": _candidates(entries, "cut off")})
    return state


def read_all(repository: Home, *, limit: int | None = None, decoded: bool = True) -> Iterator[SessionState]:
    """Read every session, newest first; one whose journal is damaged is reported as an error, not skipped.

    With `decoded` each state's `result` can be read; without, its values are as they were written.
    """
    for session in list_session_ids(repository)[:limit]:
        yield _read_or_report(repository, session, decoded=decoded)


def read_running(repository: Home) -> list[SessionState]:
    """Read the sessions that run, newest first. They hold their lock, so no other journal is read."""
    directory = sessions_directory(repository)
    held = [name for name in list_session_ids(repository) if is_locked(f"{directory}/{name}/{LOCK_NAME}")]
    states = [_read_or_report(repository, session) for session in held]
    return [state for state in states if state.status is SessionStatus.RUNNING]


def read_recent(repository: Home, *, at_least: int) -> list[SessionState]:
    """Read the sessions that run, then the newest others until there are so many."""
    states = read_running(repository)
    running = {state.session for state in states}
    others = [session for session in list_session_ids(repository) if session not in running]
    return states + [_read_or_report(repository, name) for name in others[: max(0, at_least - len(states))]]


def _read_or_report(repository: Home, session: SessionId, *, decoded: bool = False) -> SessionState:
    try:
        state = read_session(repository, session)
        _ = state.result if decoded else None
        return state
    except (JournalError, ValueError) as exc:
        reason = exc.message if isinstance(exc, MimoError) else str(exc)
        lost = {"task": "", "base": "", "target_branch": None, "message": reason}
        return SessionState(values={"session": session, "status": SessionStatus.ERROR.value, **lost})


def request_stop(repository: Home, name: str | None, number: int | None = None) -> tuple[SessionId, ...]:
    """Ask a running session, or all that run when none is named, to stop; name those that were asked.

    With a number only that candidate is asked: what it made is judged, and the session goes on.
    """
    wanted = [find_session(repository, name)] if name else list_session_ids(repository)
    stopped = []
    for session in wanted:
        directory = sessions_directory(repository) / session
        if is_locked(directory / LOCK_NAME):
            (directory / (STOP_NAME if number is None else stop_name(number))).touch()
            stopped.append(session)
    return tuple(stopped)


def give_hint(repository: Home, session: SessionId, text: str, number: int | None) -> bool:
    """Tell a running session's candidates, or one of them, something; False where it does not run."""
    path = hints_path(repository, session)
    if not is_locked(path.with_name(LOCK_NAME)):
        return False
    with path.open("a", encoding="utf-8") as hints:
        hints.write(json.dumps({"candidate": number, "text": text}) + "\n")
    return True


def _fold(session: SessionId, entries: Sequence[Entry]) -> SessionState:
    state: SessionState | None = None
    for entry in entries:
        match entry.event:
            case "session" if not entry.done:
                data = dict(entry.data)
                process, settings = data.pop("process", None), data.pop("settings", {})
                data.pop("process_start", None)
                opening = {"session": session, "status": "running", **data}
                state = SessionState(values=opening, process=process, is_closed=False, settings=settings)
            case "resumed" if state is not None:
                again: Mapping[str, Any] = {"status": "running", "candidates": [], "verdict": None, "message": ""}
                values = {**state.values, **again}
                state = replace(state, values=values, process=entry.data["process"], is_closed=False)
            case "merged" if not entry.done and state is not None:
                state = replace(state, merging=Oid(entry.data["commit"]))
            case "rejected" if state is not None:
                state = replace(state, rejected=entry.data["reason"])
            case "picked" if state is not None:
                state = replace(state, picked=entry.data["candidate"])
            case "session" | "landed" | "merged" if entry.done and state is not None:
                is_closed = state.is_closed or entry.event == "session"
                state = replace(state, values=entry.data["result"], is_closed=is_closed)
                state = replace(state, merging=None if entry.event == "merged" else state.merging)
            case _:
                pass
    if state is None:
        raise JournalError(f"the journal of session `{session}` does not begin with the session")
    return replace(state, phase=entries[-1].event, last_event=entries[-1].time)


def _unfinished(state: SessionState, entries: Sequence[Entry], *, is_running: bool) -> SessionState:
    """A session without a result, with what it has come to: its candidates, and the sums over them."""
    from gitmimo.records import Usage  # all records are loaded with it

    candidates = _candidates(entries, "working" if is_running else "cut off")
    usages = [from_json(Usage, each.get("usage", {})) for each in candidates]
    end = datetime.now(UTC) if is_running else entries[-1].time
    values = {
        **state.values,
        "status": (SessionStatus.RUNNING if is_running else SessionStatus.STOPPED).value,
        "candidates": candidates,
        "usage": to_json(sum(usages, Usage())),
        "cost_usd": sum(each.get("cost_usd", 0.0) for each in candidates),
        "llm_calls": sum(each.get("llm_calls", 0) for each in candidates),
        "seconds": (end - entries[0].time).total_seconds(),
    }
    return replace(state, values=values)


def _candidates(entries: Sequence[Entry], status: str) -> list[Mapping[str, Any]]:
    """Each candidate's last result; those that did not come to one yet have this status."""
    found: dict[int, dict[str, Any]] = {}
    begun: dict[int, datetime] = {}
    for entry in entries:
        data = entry.data
        match entry.event:
            case "worktree" if not entry.done:
                number, branch = data["candidate"], data["branch"].removeprefix("refs/heads/")
                empty = {"number": number, "branch": branch, "model": data.get("model", ""), "status": status}
                found.setdefault(number, {**empty, "approach": "", "strategy": ""})
                begun[number] = entry.time
            case "step" if was := found.get(data["candidate"]):
                seconds = (entry.time - begun[data["candidate"]]).total_seconds()
                now = {"status": status, "commit": data["commit"], "steps": data["step"], "seconds": seconds}
                found[data["candidate"]] = {**was, **now, "evidence": None, **data.get("spent", {})}
            case "worked" | "candidate" if entry.done:
                found[data["result"]["number"]] = data["result"]
            case _:
                pass
    return [found[number] for number in sorted(found)]


def follow(
    repository: Home, session: SessionId, show: Callable[[Entry], None], *, is_running: Callable[[], bool]
) -> None:
    """Tell every entry of a session's journal, the past ones first, until the session no longer runs."""
    path = journal_path(repository, session)
    told = 0
    while True:
        runs = is_running()
        entries = read_journal(path)
        for entry in entries[told:]:
            show(entry)
        told = len(entries)
        if not runs:
            return
        time.sleep(_POLL_S)
