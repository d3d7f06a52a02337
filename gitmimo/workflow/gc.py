"""What sessions leave, and removing it: merged branches, whole sessions, garbage; only what is recorded as ours."""

import contextlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitmimo import ids
from gitmimo.errors import JournalError, MimoError, NeedsPerson, UsageError
from gitmimo.files import LockTimeout, hold_lock, remove_tree
from gitmimo.git import merge, refs, undo_log
from gitmimo.git.agent_repo import COMPLETE, stores_directory
from gitmimo.git.gc_lock import hold_off_gc
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import list_worktrees, sweep_worktrees
from gitmimo.ids import Oid, SessionId, SessionStatus, is_session_id
from gitmimo.processes import processes_in
from gitmimo.records import SessionResult
from gitmimo.workflow.directories import (
    LOCK_NAME,
    journal_path,
    repository_key,
    session_directory,
    sessions_directory,
    state_home,
)
from gitmimo.workflow.journals import list_session_ids, list_stillborn, read_session
from gitmimo.workflow.land import KEPT_TREES
from gitmimo.workflow.memory_home import repair_interrupted_commit
from gitmimo.workflow.worktrees import UNFINISHED, clear_session

DEFAULT_EXPIRY = "90.days"
_DREAM = re.compile(r"/dream-[0-9a-v]{10}\Z")
_BIRTH = timedelta(hours=1)  # a directory without a journal may be a session's that begins just now
RESULTS = "refs/mimo/results/"
_OF_CANDIDATES = ("refs/mimo/candidates/", UNFINISHED, KEPT_TREES)  # followed by session and number


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """One thing that can go: a path, or a ref at its `tip`. `size` is in bytes, 0 for a ref: git frees objects."""

    kind: str  # worktrees, branch, ref, journal, evidence, objects
    name: str
    reason: str
    size: int = 0
    path: Path | None = None
    session: SessionId | None = None  # of worktrees
    ref: str = ""
    tip: Oid | None = None


def remove_garbage(repository: Repository, item: Garbage) -> None:
    """Remove it, unless it has moved or come to life in the meantime: then MimoError."""
    if item.session is not None and item.path is not None:
        _clear(repository, item.session, item.path)
    elif item.path is not None:
        remove_tree(item.path, ignore_errors=True)
    elif item.tip is not None:
        refs.delete_ref(repository, item.ref, expected=item.tip, reason="mimo: gc")


def _clear(repository: Repository, session: SessionId, directory: Path) -> None:
    lock = sessions_directory(repository) / session / LOCK_NAME
    held = hold_lock(lock, wait_s=0) if lock.parent.is_dir() else contextlib.nullcontext()
    with held, hold_off_gc(repository):
        clear_session(repository, session, directory)


def parse_expiry(repository: Repository, text: str) -> datetime:
    """Read a time as git does: `now`, `2.weeks`, `2026-01-31`, `never`."""
    if text == "now":
        return datetime.now(UTC)
    said = repository.run("-c", f"mimo.time={text}", "config", "--type=expiry-date", "--get", "mimo.time", check=False)
    try:
        return datetime.fromtimestamp(int(said.text), UTC)
    except ValueError as exc:
        raise UsageError(f"not a time: `{text}`", hint="git mimo gc --expire 2.weeks") from exc


def find_garbage(repository: Repository, *, expiry: datetime) -> Iterator[Garbage]:
    """Everything that can go; sessions that run, results, and whatever a person built on are never named."""
    running = set()
    for session in _sessions(repository):
        if not _is_dead(repository, session):
            running.add(session)
            continue
        directory = session_directory(repository, session)
        if directory.is_dir() and not _has_live_owner(repository, directory):
            reason = "its session is over or was killed"
            yield _path("worktrees", str(directory), reason, directory, session=session)
        if _last_used(repository, session) <= expiry:
            yield from _refs_of(repository, session)
            journal = sessions_directory(repository) / session
            if journal.is_dir():
                yield _path("journal", session, f"older than {expiry:%Y-%m-%d %H:%M}", journal)
        else:
            yield from _branches_of_finished(repository, session)
    yield from _merged_dreams(repository)
    for operation in undo_log.list_operations(repository):
        if operation.time <= expiry:
            yield from _ref(repository, f"{ids.OPS_PREFIX}{operation.id}", "an undo record that has expired")
    yield from _expired_files(repository, running, expiry)


def _expired_files(repository: Repository, running: Collection[SessionId], expiry: datetime) -> Iterator[Garbage]:
    """Journals without a line, cached results, and what agents' repositories borrow of bases that no session uses."""
    for place in list_stillborn(repository):
        if _made(place) <= min(expiry, datetime.now(UTC) - _BIRTH) and _is_dead(repository, SessionId(place.name)):
            yield _path("journal", place.name, "killed before it wrote anything", place)
    for path in sorted((repository.state_dir / "evidence").glob("*.json")):
        if _made(path) <= expiry:
            yield _path("evidence", path.stem, "a cached result that has expired", path)
    in_use = {refs.read_ref(repository, ids.base_ref(session)) for session in running}
    for store in sorted(path.parent for path in stores_directory(repository).glob("*/pack")):
        used = store / COMPLETE
        if store.name not in in_use and _made(used if used.exists() else store) <= expiry:
            reason = "a base's objects, made again when they are needed"
            yield _path("objects", store.name, reason, store)


def clean_orphans(repository: Repository) -> None:
    """Remove the worktrees of this repository's killed sessions, quietly: what can't be removed now stays for `gc`."""
    with contextlib.suppress(MimoError):
        sweep_worktrees(repository)
        repair_interrupted_commit(repository)
    for session in _sessions(repository):
        directory = session_directory(repository, session)
        if directory.is_dir() and not processes_in(directory) and not _has_live_owner(repository, directory):
            with contextlib.suppress(MimoError, OSError):
                _clear(repository, session, directory)


def _sessions(repository: Repository) -> list[SessionId]:
    """Every session that has a journal, worktrees or private refs here."""
    found = set(list_session_ids(repository))
    place = state_home() / repository_key(repository)
    if place.is_dir():
        found |= {SessionId(path.name) for path in place.iterdir() if is_session_id(path.name)}
    for prefix in ("refs/mimo/base/", RESULTS, *_OF_CANDIDATES):
        names = (name.removeprefix(prefix).partition("/")[0] for name in refs.list_refs(repository, prefix))
        found |= {SessionId(name) for name in names}
    return sorted(found)


def _is_dead(repository: Repository, session: SessionId) -> bool:
    lock = sessions_directory(repository) / session / LOCK_NAME
    if not lock.exists():
        return True
    try:
        with hold_lock(lock, wait_s=0):
            return True
    except LockTimeout:
        return False


def _has_live_owner(repository: Repository, directory: Path) -> bool:
    """Whether a worktree in there says that its maker still runs: the session's lock may be gone with its directory."""
    return any(
        worktree.owner is not None and worktree.owner.is_alive
        for worktree in list_worktrees(repository)
        if worktree.path.parent.resolve() == directory.resolve()
    )


def _last_used(repository: Repository, session: SessionId) -> datetime:
    journal = journal_path(repository, session)
    return _made(journal) if journal.exists() else datetime.fromtimestamp(0, UTC)


def _refs_of(repository: Repository, session: SessionId) -> Iterator[Garbage]:
    """A session's private refs, and those of its candidates' branches that hold nothing but its own steps."""
    kept = refs.list_refs(repository, f"refs/mimo/candidates/{session}/").values()
    base = refs.read_ref(repository, ids.base_ref(session))
    for name, tip in _free_branches(repository):
        if f"/{session}/" in name and (tip in kept or _is_steps(repository, base, tip)):
            yield from _ref(repository, name, "a candidate's steps that have expired", kind="branch")
    for name in private_refs(repository, session):
        yield from _ref(repository, name, "a candidate's steps that have expired")


def _free_branches(repository: Repository) -> list[tuple[str, Oid]]:
    """The branches that no checkout has, each with its tip."""
    in_use = refs.checked_out_branches(repository)
    return [pair for pair in refs.list_refs(repository, "refs/heads/").items() if pair[0] not in in_use]


def _branches_of_finished(repository: Repository, session: SessionId) -> Iterator[Garbage]:
    """Branches that hold nothing of their own: steps that a private ref keeps, results that their target holds."""
    with contextlib.suppress(JournalError):
        result = read_session(repository, session).result
        if result.status in (SessionStatus.RUNNING, SessionStatus.STOPPED, SessionStatus.INTERRUPTED):
            return
        name = ids.branch_ref(result.target_branch or "")
        target = refs.read_ref(repository, name) if result.target_branch else None
        merged = result_branches(repository, result, target) if target else ()
        for move in (*step_branches(repository, result), *merged):
            yield from _ref(repository, move.ref, "its session is over; private refs keep it", kind="branch")


def _merged_dreams(repository: Repository) -> Iterator[Garbage]:
    """Branches of dreams that the checked-out branch holds whole."""
    branch = repository.head_branch()
    head = refs.read_ref(repository, ids.branch_ref(branch)) if branch else None
    for name, tip in _free_branches(repository) if head else ():
        if head and _DREAM.search(name) and merge.is_ancestor(repository, older=tip, newer=head):
            yield from _ref(repository, name, "it is merged", kind="branch")


def _is_steps(repository: Repository, base: Oid | None, tip: Oid) -> bool:
    """Whether a branch holds nothing but a candidate's steps on its base."""
    if base is None or not repository.has_object(base):
        return False
    subjects = repository.run("log", "--format=%s", f"{base}..{tip}").text.splitlines()
    return all(subject.startswith("mimo: step ") for subject in subjects)


def _ref(repository: Repository, name: str, reason: str, *, kind: str = "ref") -> Iterator[Garbage]:
    tip = refs.read_ref(repository, name)
    if tip is not None:
        yield Garbage(kind=kind, name=ids.short_name(name), reason=reason, ref=name, tip=tip)


def _path(kind: str, name: str, reason: str, path: Path, session: SessionId | None = None) -> Garbage:
    size = 0
    for each in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            size += each.lstat().st_size
    return Garbage(kind=kind, name=name, reason=reason, size=size, path=path, session=session)


def _made(path: Path) -> datetime:
    """When a file was written last; never, where another process was faster in removing it."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)


def step_branches(repository: Repository, result: SessionResult) -> Iterator[undo_log.RefMove]:
    """The removals of a session's candidate branches whose last commit a private ref keeps."""
    in_use = refs.checked_out_branches(repository)
    for candidate in result.candidates:
        name = ids.branch_ref(candidate.branch) if candidate.branch else ""
        tip = refs.read_ref(repository, name) if name and name not in in_use else None
        kept = refs.read_ref(repository, ids.candidate_ref(result.session, candidate.number))
        if tip is not None and kept == tip:
            yield undo_log.RefMove(ref=name, old=tip, new=None)


def result_branches(repository: Repository, result: SessionResult, target: Oid) -> Iterator[undo_log.RefMove]:
    """The removals of branches of this session's results that `target` holds whole."""
    for name, tip in _free_branches(repository):
        if name.endswith(f"-{result.session}") and merge.is_ancestor(repository, older=tip, newer=target):
            yield undo_log.RefMove(ref=name, old=tip, new=None)


def drop_branches(repository: Repository, result: SessionResult, target: Oid) -> None:
    """Remove a merged session's branches. Their commits stay below `refs/mimo/` until gc."""
    if result.result_commit is not None:
        kept = f"{RESULTS}{result.session}"
        before = refs.read_ref(repository, kept)
        if before != result.result_commit:
            refs.update_ref(repository, kept, result.result_commit, expected=before, reason="mimo: result kept")
    moves = [*step_branches(repository, result), *result_branches(repository, result, target)]
    for move in moves:
        undo_log.apply_move(repository, move, reason=f"mimo: session {result.session} is merged")


def restore_result(repository: Repository, result: SessionResult) -> None:
    """Make a session's result branch again after its merge was taken back."""
    kept = refs.read_ref(repository, f"{RESULTS}{result.session}")
    if kept is None or result.result_branch is None:
        return
    name = ids.branch_ref(result.result_branch)
    if refs.read_ref(repository, name) is None:
        refs.update_ref(repository, name, kept, expected=None, reason="mimo: merge undone")


def drop_session(repository: Repository, session: SessionId) -> tuple[str, ...]:
    """Remove everything that is recorded as this session's, and name the refs. What was merged stays merged.

    NeedsPerson when it runs, or when one of its branches is checked out: then nothing is removed.
    """
    directory = sessions_directory(repository) / session
    try:
        with hold_lock(directory / LOCK_NAME, wait_s=0):
            names = session_refs(repository, session)
            in_use = sorted(set(names) & set(refs.checked_out_branches(repository)))
            if in_use:
                raise NeedsPerson(f"`{ids.short_name(in_use[0])}` is checked out", hint="git switch -")
            clear_session(repository, session, session_directory(repository, session))
            for name in names:
                tip = refs.read_ref(repository, name)
                if tip is not None:
                    refs.delete_ref(repository, name, expected=tip, reason=f"mimo: session {session} is dropped")
    except LockTimeout as exc:
        raise NeedsPerson(f"session {session} is running", hint=f"git mimo stop {session}") from exc
    remove_tree(directory, ignore_errors=True)
    return tuple(ids.short_name(name) for name in names)


def session_refs(repository: Repository, session: SessionId) -> list[str]:
    """Every ref that is this session's own: candidates' and result branches, and what is kept below refs/mimo."""
    branches = refs.list_refs(repository, "refs/heads/")
    own = (name for name in branches if f"/{session}/" in name or name.endswith(f"-{session}"))
    return [*own, *private_refs(repository, session)]


def private_refs(repository: Repository, session: SessionId) -> list[str]:
    """What is kept of a session below refs/mimo."""
    listed = [refs.list_refs(repository, f"{prefix}{session}/") for prefix in _OF_CANDIDATES]
    single = (name for name in (ids.base_ref(session), f"{RESULTS}{session}") if refs.read_ref(repository, name))
    return [*(name for found in listed for name in found), *single]
