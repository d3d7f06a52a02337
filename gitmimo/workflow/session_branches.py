"""The branches of a session that is over: they are removed, and private refs keep their commits."""

from collections.abc import Iterator

from gitmimo import refnames
from gitmimo.git import merge, refs, undo_log
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.results import SessionResult

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
