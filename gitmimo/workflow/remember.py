"""Changes to `.mimo/` that a person asked for, committed on the checked-out branch, and nothing else with them."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from gitmimo.errors import MimoError, NeedsPerson, RepoError
from gitmimo.git import refs, tree
from gitmimo.git.binary import run_git
from gitmimo.git.commit import write_final_commit
from gitmimo.git.holding import hold_objects
from gitmimo.git.merge import find_checkout
from gitmimo.git.repository import Repository
from gitmimo.memory.index import INDEX_PATH
from gitmimo.memory.store import rebuild_index
from gitmimo.records import Oid
from gitmimo.workflow.cut_off import mend_cut_off_commit, staged_files

_INDEXED = "mimo: index what both branches remember\n\nMEMORY.md is generated from the facts and never merged.\n"


def commit_to_checkout(repository: Repository, changes: Mapping[str, bytes | None], message: str) -> Oid:
    """Write files below `.mimo/` and commit just these, with the user's hooks and signing; what is staged stays so.

    NeedsPerson when one of them has changes of the user's. When the commit is refused, the files are as before.
    """
    checkout = repository.require_work_tree()
    paths = sorted(changes)
    outside = [path for path in paths if not path.startswith(".mimo/")]
    if outside:
        raise RepoError(f"not below `.mimo/`: `{outside[0]}`")
    mend_cut_off_commit(repository)
    _refuse_dirty(checkout, paths)
    with staged_files(repository, checkout, changes):
        run_git(["commit", "--quiet", "--only", "-m", message, "--", *paths], cwd=checkout, user_hooks=True)
    return repository.resolve("HEAD")


def index_after_merge(repository: Repository, branch: str, merged: Oid) -> Oid:
    """Generate the index of memory again after a merge; return the branch's tip, one commit on where that changed it.

    Where the user's files are in the way in the branch's checkout, the merge stands as it is. Nothing reads the index
    but people: what a session is told comes from the facts.
    """
    changes = rebuild_index(repository, merged)
    if not changes:
        return merged
    place = find_checkout(repository, branch)
    try:
        if place is not None:
            _refuse_dirty(place, sorted(changes))
        with hold_objects(repository):
            whole = tree.put_files(repository, repository.tree_of(merged), changes)
            made = write_final_commit(repository, tree=whole, parents=[merged], message=_INDEXED)
            with staged_files(repository, place, changes) if place is not None else contextlib.nullcontext():
                # not by `git commit`: in the post-merge hook git still thinks that it merges
                ref = refs.branch_ref(branch)
                refs.update_ref(repository, ref, made, expected=merged, reason="mimo: index", worktree=place)
    except MimoError:
        return merged
    return made


def index_after_own_merge(repository: Repository) -> Oid | None:
    """Do the same in the post-merge hook, for a merge that was made here; one that was pulled is left to its maker."""
    branch = repository.head_branch()
    how = repository.run("log", "--walk-reflogs", "--max-count=1", "--format=%gs", "HEAD", check=False).text
    if branch is None or "Merge made by" not in how:
        return None
    head = repository.resolve("HEAD")
    made = index_after_merge(repository, branch, head)
    return made if made != head else None


def _refuse_dirty(checkout: Path, paths: list[str]) -> None:
    done = run_git(["status", "--porcelain", "-z", "--untracked-files=all", "--", *paths], cwd=checkout)
    changed = [field[3:] for field in done.text.split("\0") if field]
    if changed:
        hint = f"git commit -m '...' -- {changed[0]}"
        if changed[0] == INDEX_PATH:
            hint = f"git checkout -- {INDEX_PATH}   # it is generated; write facts with git mimo memory add"
        raise NeedsPerson(f"`{changed[0]}` has changes that are not committed", hint=hint)
    for path in paths:
        for parent in (Path(path), *Path(path).parents):
            if (checkout / parent).is_symlink():
                raise RepoError(f"a symbolic link is in the way: `{parent}`")
