"""Resuming an interrupted session from its journal and its candidates' branches."""

from gitmimo.config import Config
from gitmimo.errors import RepoError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.ids import SessionStatus
from gitmimo.records import SessionResult
from gitmimo.workflow.history import read_past
from gitmimo.workflow.journals import SessionState, find_session, list_session_ids, read_session
from gitmimo.workflow.merge import merge_at_the_end
from gitmimo.workflow.progress import Watch
from gitmimo.workflow.session_result import restore
from gitmimo.workflow.start import SessionRequest, run_session


def find_interrupted(repository: Repository, name: str | None) -> SessionState:
    """The session to resume: the one named, or the newest that can be; UsageError when there is nothing to do."""
    if name:
        state = read_session(repository, find_session(repository, name))
        _check(state)
        return state
    for session in list_session_ids(repository):
        state = read_session(repository, session)
        if _is_resumable(state):
            return state
    raise UsageError("no session was cut off", hint="git mimo list")


def resume_session(repository: Repository, config: Config, state: SessionState, watch: Watch) -> SessionResult:
    """Run what is missing: finished candidates keep their results, an unfinished one continues after its last step.

    `config` is the configuration of now; the session's own settings are put over it, except what only limits it.
    """
    result = state.result
    own = restore(config, state.settings)
    if not repository.has_object(result.base):
        raise RepoError(f"the base commit of session {result.session} is gone: `{result.base}`")
    if _only_merge_is_left(state):
        return merge_at_the_end(repository, own, result, watch)
    past = read_past(repository, result.session)
    watch.warn(f"session {result.session} goes on from {result.base[:12]}: {len(past.results)} candidates had ended")
    return run_session(
        SessionRequest(
            repository=repository,
            config=own,
            task_text=result.task,
            session=result.session,
            base=result.base,
            target_branch=result.target_branch,
            watch=watch,
            past=past,
        )
    )


def _is_resumable(state: SessionState) -> bool:
    if state.result.status is SessionStatus.RUNNING:
        return False
    return not state.is_closed or _is_interrupted(state) or _only_merge_is_left(state)


def _is_interrupted(state: SessionState) -> bool:
    return state.result.status in (SessionStatus.BUDGET, SessionStatus.INTERRUPTED, SessionStatus.ERROR)


def _only_merge_is_left(state: SessionState) -> bool:
    wanted = bool(state.settings.get("merge")) or state.merging == state.result.result_commit
    return state.is_closed and wanted and state.result.result_commit is not None and not state.result.merged


def _check(state: SessionState) -> None:
    session, status = state.result.session, state.result.status
    if _is_resumable(state):
        return
    if status is SessionStatus.RUNNING:
        raise UsageError(f"session {session} is still running", hint=f"git mimo attach {session}")
    raise UsageError(
        f"session {session} has come to its end ({status}), nothing is left to resume",
        hint=f"git mimo show {session}",
    )
