"""Sessions read back from their journals, and candidates' steps from the records on their commits."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gitmimo import refnames
from gitmimo.codec import from_json, to_json
from gitmimo.errors import JournalError, MimoError, UsageError
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.journal import Entry, read_journal
from gitmimo.locks import is_locked
from gitmimo.records import Oid, SessionId, Step, is_session_id
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.workflow.directories import LOCK_NAME, STOP_NAME, Home, journal_path, sessions_directory, stop_name
from gitmimo.workflow.evidence_notes import find_noted_session

_POLL_S = 0.1
TRAJECTORY = ".mimo/trajectory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session and its progress: `phase` and `last_event` matter while it runs or after a crash."""

    result: SessionResult
    phase: str = ""
    last_event: datetime | None = None
    process: int | None = None
    is_closed: bool = True  # whether its process came to an end by itself
    merging: Oid | None = None  # what was about to be merged, and is not known to have been
    picked: int | None = None  # the candidate that a person merged instead of the verdict's
    rejected: str = ""  # why a person does not want the result
    settings: Mapping[str, Any] = field(default_factory=dict)  # the configuration it was started with


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a session that is resumed had already reached, so that it is neither paid nor done again."""

    results: Mapping[int, CandidateResult] = field(default_factory=dict)  # each candidate's last, judged or not
    approaches: tuple[str, ...] = ()
    decided: SessionResult | None = None  # with a winner; what is left is to publish it


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
        return (directory / "journal.jsonl").stat().st_size
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
    if state.result.status is SessionStatus.RUNNING and not is_locked(directory / LOCK_NAME):
        state = replace(state, result=replace(state.result, status=SessionStatus.STOPPED))
    return state


def read_all(repository: Home, *, limit: int | None = None) -> Iterator[SessionState]:
    """Read every session, newest first; one whose journal is damaged is reported as an error, not skipped."""
    for session in list_session_ids(repository)[:limit]:
        yield _read_or_report(repository, session)


def read_running(repository: Home) -> list[SessionState]:
    """Read the sessions that run, newest first. They hold their lock, so no other journal is read."""
    directory = sessions_directory(repository)
    held = [name for name in list_session_ids(repository) if is_locked(directory / name / LOCK_NAME)]
    states = [_read_or_report(repository, session) for session in held]
    return [state for state in states if state.result.status is SessionStatus.RUNNING]


def read_recent(repository: Home, *, at_least: int) -> list[SessionState]:
    """Read the sessions that run, then the newest others until there are so many."""
    running = read_running(repository)
    known = {state.result.session for state in running}
    others = [session for session in list_session_ids(repository) if session not in known]
    return running + [_read_or_report(repository, name) for name in others[: max(0, at_least - len(running))]]


def _read_or_report(repository: Home, session: SessionId) -> SessionState:
    try:
        return read_session(repository, session)
    except (JournalError, ValueError) as exc:
        reason = exc.message if isinstance(exc, MimoError) else str(exc)
        return SessionState(
            result=SessionResult(
                session=session,
                status=SessionStatus.ERROR,
                task="",
                base=Oid(""),
                target_branch=None,
                message=reason,
            )
        )


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


def read_past(repository: Home, session: SessionId) -> Past:
    """What a cut-off session had reached, from its journal."""
    results: dict[int, CandidateResult] = {}
    approaches: tuple[str, ...] = ()
    decided: SessionResult | None = None
    for entry in read_journal(journal_path(repository, session)):
        if not entry.done:
            continue
        match entry.event:
            case "worked" | "candidate":
                found = from_json(CandidateResult, entry.data["result"])
                results[found.number] = found
            case "approaches":
                approaches = tuple(entry.data["approaches"])
            case "decided":
                decided = from_json(SessionResult, entry.data["result"])
    return Past(results=results, approaches=approaches, decided=decided)


def _fold(session: SessionId, entries: Sequence[Entry]) -> SessionState:
    state: SessionState | None = None
    candidates: dict[int, CandidateResult] = {}
    for entry in entries:
        match entry.event:
            case "session" if not entry.done:
                data = dict(entry.data)
                process, settings = data.pop("process", None), data.pop("settings", {})
                data.pop("process_start", None)
                opening = from_json(SessionResult, {"session": session, "status": "running", **data})
                state = SessionState(result=opening, process=process, is_closed=False, settings=settings)
            case "resumed" if state is not None:
                running = replace(state.result, status=SessionStatus.RUNNING, candidates=(), verdict=None, message="")
                state = replace(state, result=running, process=entry.data["process"], is_closed=False)
            case "candidate" if entry.done:
                found = from_json(CandidateResult, entry.data["result"])
                candidates[found.number] = found
            case "merged" if not entry.done and state is not None:
                state = replace(state, merging=Oid(entry.data["commit"]))
            case "rejected" if state is not None:
                state = replace(state, rejected=entry.data["reason"])
            case "picked" if state is not None:
                state = replace(state, picked=entry.data["candidate"])
            case "session" | "landed" | "merged" if entry.done and state is not None:
                result = from_json(SessionResult, entry.data["result"])
                state = replace(state, result=result, is_closed=state.is_closed or entry.event == "session")
                state = replace(state, merging=None if entry.event == "merged" else state.merging)
            case _:
                pass
    if state is None:
        raise JournalError(f"the journal of session `{session}` does not begin with the session")
    if not state.result.candidates and candidates:
        listed = tuple(candidates[number] for number in sorted(candidates))
        state = replace(state, result=replace(state.result, candidates=listed))
    return replace(state, phase=entries[-1].event, last_event=entries[-1].time)


def read_known_session(repository: Repository, name: str | None) -> SessionResult:
    """Read a session from its journal, or from its note where the journal is elsewhere.

    UsageError when neither is here; the hint says how to fetch the notes.
    """
    try:
        return read_session(repository, find_session(repository, name)).result
    except UsageError as exc:
        noted = find_noted_session(repository, name)
        if noted is None:
            hint = "git fetch origin +refs/notes/mimo:refs/notes/mimo   # for sessions of others"
            raise UsageError(exc.message, hint=f"{exc.hint}\n{hint}".strip()) from exc
        return noted


def find_tip(repository: Repository, session: SessionId, candidate: CandidateResult) -> Oid | None:
    """Return a candidate's last commit: its kept ref, else its branch, else what was recorded if it is still here."""
    for name in (refnames.candidate_ref(session, candidate.number), f"refs/heads/{candidate.branch}"):
        if candidate.branch or name.startswith("refs/mimo/"):
            tip = refs.read_ref(repository, name)
            if tip is not None:
                return tip
    if candidate.commit and repository.has_object(candidate.commit):
        return candidate.commit
    return None


def read_steps(repository: Repository, result: SessionResult, candidate: CandidateResult) -> tuple[Step, ...]:
    """Return the candidate's steps in order, each with its commit; none when this clone lacks its branch.

    JournalError when a record cannot be read: it is shown as damaged, never left out.
    """
    tip = find_tip(repository, result.session, candidate)
    if tip is None:
        return ()
    return read_steps_at(repository, result.session, candidate.number, base=result.base, tip=tip)


def read_steps_at(repository: Repository, session: SessionId, number: int, *, base: Oid, tip: Oid) -> tuple[Step, ...]:
    """Return a candidate's steps as they stand at a commit of its branch."""
    folder = f"{TRAJECTORY}/{session}/{number}"
    entry = repository.find_entry(tip, folder)
    if entry is None:
        return ()
    commits = _commits_by_record(repository, base, tip, folder)
    steps = []
    for item in repository.list_paths(entry.oid):
        name = f"{folder}/{item.path}"
        try:
            step: Step = from_json(Step, json.loads(repository.read_object(item.oid)))
        except (ValueError, TypeError, KeyError) as exc:
            raise JournalError(f"cannot read the step `{name}`: {exc}") from exc
        steps.append(replace(step, commit=commits.get(name, step.commit)))
    return tuple(sorted(steps, key=lambda step: step.number))


def _commits_by_record(repository: Repository, base: Oid, tip: Oid, folder: str) -> dict[str, Oid]:
    """Map each step's file to the commit that added it."""
    span = [f"{base}..{tip}"] if base and repository.has_object(base) else [tip]
    listed = repository.run(
        *("log", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=%x01%H"), *span, "--", folder
    ).text
    found: dict[str, Oid] = {}
    for block in listed.split("\x01")[1:]:
        oid, *names = [part for part in block.replace("\n", "\0").split("\0") if part]
        for name in names:
            found.setdefault(name, Oid(oid))
    return found


def follow(
    repository: Repository, session: SessionId, show: Callable[[Entry], None], *, is_running: Callable[[], bool]
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


def brief_json(state: SessionState) -> dict[str, object]:
    """One session as a list of sessions has it."""
    result = state.result
    return {
        "session": result.session,
        "status": result.status.value,
        "phase": state.phase,
        "task": result.task,
        "started": to_json(result.started),
        "base": result.base,
        "target_branch": result.target_branch,
        "candidates": len(result.candidates),
        "winner": result.verdict.winner if result.verdict else None,
        "result_branch": result.result_branch,
        "merged": result.merged,
        "usd": result.cost_usd,
        "tokens": result.usage.total,
        "seconds": result.seconds,
        "message": result.message,
    }
