"""The branches of a finished session, removed while private refs keep their commits; or the whole session deleted."""

from collections.abc import Iterator

from gitmimo import refnames
from gitmimo.errors import NeedsPerson
from gitmimo.files import remove_tree
from gitmimo.git import merge, refs, undo_log
from gitmimo.git.repository import Repository
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.records import Oid, SessionId
from gitmimo.results import SessionResult
from gitmimo.workflow.cleaning import UNFINISHED, clear_session
from gitmimo.workflow.directories import session_directory
from gitmimo.workflow.history import LOCK_NAME, sessions_directory
from gitmimo.workflow.land import KEPT_TREES

RESULTS = "refs/mimo/results/"


def step_branches(repository: Repository, result: SessionResult) -> Iterator[undo_log.RefMove]:
    """The removals of a session's candidate branches whose last commit a private ref keeps."""
    in_use = refs.checked_out_branches(repository)
    for candidate in result.candidates:
        name = refnames.branch_ref(candidate.branch) if candidate.branch else ""
        tip = refs.read_ref(repository, name) if name and name not in in_use else None
        kept = refs.read_ref(repository, refnames.candidate_ref(result.session, candidate.number))
        if tip is not None and kept == tip:
            yield undo_log.RefMove(ref=name, old=tip, new=None)


def result_branches(repository: Repository, result: SessionResult, target: Oid) -> Iterator[undo_log.RefMove]:
    """The removals of branches of this session's results that `target` holds whole."""
    in_use = refs.checked_out_branches(repository)
    for name, tip in refs.list_refs(repository, "refs/heads/").items():
        is_its_own = name.endswith(f"-{result.session}") and name not in in_use
        if is_its_own and merge.is_ancestor(repository, older=tip, newer=target):
            yield undo_log.RefMove(ref=name, old=tip, new=None)


def drop_branches(repository: Repository, result: SessionResult, target: Oid) -> tuple[str, ...]:
    """Remove a merged session's branches and say which. Their commits stay below `refs/mimo/` until gc."""
    if result.result_commit is not None:
        kept = f"{RESULTS}{result.session}"
        before = refs.read_ref(repository, kept)
        if before != result.result_commit:
            refs.update_ref(repository, kept, result.result_commit, expected=before, reason="mimo: result kept")
    moves = [*step_branches(repository, result), *result_branches(repository, result, target)]
    for move in moves:
        undo_log.apply_move(repository, move, reason=f"mimo: session {result.session} is merged")
    return tuple(refnames.short_name(move.ref) for move in moves)


def restore_result(repository: Repository, result: SessionResult) -> None:
    """Make a session's result branch again after its merge was taken back."""
    kept = refs.read_ref(repository, f"{RESULTS}{result.session}")
    if kept is None or result.result_branch is None:
        return
    name = refnames.branch_ref(result.result_branch)
    if refs.read_ref(repository, name) is None:
        refs.update_ref(repository, name, kept, expected=None, reason="mimo: merge undone")


def drop_session(repository: Repository, session: SessionId, *, root: str = "") -> tuple[str, ...]:
    """Remove everything that is recorded as this session's, and name the refs. What was merged stays merged.

    NeedsPerson when it runs, or when one of its branches is checked out: then nothing is removed.
    """
    directory = sessions_directory(repository) / session
    try:
        with hold_lock(directory / LOCK_NAME, wait_s=0):
            names = session_refs(repository, session)
            in_use = sorted(set(names) & set(refs.checked_out_branches(repository)))
            if in_use:
                raise NeedsPerson(f"`{refnames.short_name(in_use[0])}` is checked out", hint="git switch -")
            clear_session(repository, session, session_directory(repository, session, root=root))
            for name in names:
                tip = refs.read_ref(repository, name)
                if tip is not None:
                    refs.delete_ref(repository, name, expected=tip, reason=f"mimo: session {session} is dropped")
    except LockTimeout as exc:
        raise NeedsPerson(f"session {session} is running", hint=f"git mimo stop {session}") from exc
    remove_tree(directory, ignore_errors=True)
    return tuple(refnames.short_name(name) for name in names)


def session_refs(repository: Repository, session: SessionId) -> list[str]:
    """Every ref that is this session's own: candidates' and result branches, and what is kept below refs/mimo."""
    branches = [
        name
        for name in refs.list_refs(repository, "refs/heads/")
        if f"/{session}/" in name or name.endswith(f"-{session}")
    ]
    private = [
        name
        for prefix in (f"refs/mimo/candidates/{session}/", f"{UNFINISHED}{session}/", f"{KEPT_TREES}{session}/")
        for name in refs.list_refs(repository, prefix)
    ]
    single = [refnames.base_ref(session), f"{RESULTS}{session}"]
    return [*branches, *private, *(name for name in single if refs.read_ref(repository, name) is not None)]
