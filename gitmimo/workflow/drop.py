"""Deleting a session: its branches, its private refs and its journal."""

from gitmimo import refnames
from gitmimo.errors import NeedsPerson
from gitmimo.files import remove_tree
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.records import SessionId
from gitmimo.workflow.cleaning import UNFINISHED, clear_session
from gitmimo.workflow.directories import session_directory
from gitmimo.workflow.history import LOCK_NAME, sessions_directory
from gitmimo.workflow.land import KEPT_TREES
from gitmimo.workflow.session_branches import RESULTS


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
