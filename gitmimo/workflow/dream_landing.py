"""A dream's branch into the branch that is checked out, so that `git mimo undo` takes it back."""

from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.locks import hold_lock
from gitmimo.records import Oid
from gitmimo.workflow.land import merge_recorded


def merge_dream(repository: Repository, branch: str, target: str) -> Oid:
    """Merge and return the new tip. NeedsPerson when the checkout isn't clean; a conflict leaves all as it was.

    Nothing is tested anew: a dream changes `.mimo/` only, and its skills were replayed before they were written.
    """
    with hold_lock(repository.state_dir / "merge.lock"):
        tip = repository.resolve(refs.branch_ref(branch))
        before = repository.resolve(refs.branch_ref(target))
        return merge_recorded(
            repository, target, tip, expected=before, message=f"Merge {branch}", command=f"merge {branch}"
        )
