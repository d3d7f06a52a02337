"""Merges: in memory for deciding, and at the end into the user's branch."""

from pathlib import Path

from gitmimo.errors import MergeConflict, NeedsPerson, RefMoved, RepoError
from gitmimo.git.binary import GitFailed, GitResult, run_git
from gitmimo.git.commit import write_final_commit
from gitmimo.git.edit import hold_written
from gitmimo.git.refs import branch_ref, read_ref, short_name, update_ref, worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import list_worktrees
from gitmimo.records import Oid

# what git leaves while an operation waits for the user
_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisect",
}
_SHOWN_PATHS = 5


def merge_in_memory(repository: Repository, *, ours: Oid, theirs: Oid) -> Oid:
    """Return the tree of the merge as git would make it; no file, index or ref is touched.

    MergeConflict names the paths that need a person.
    """
    done = repository.run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs, check=False)
    fields = done.text.split("\0")
    if done.exit_code == 0:
        merged = Oid(fields[0].strip())
        hold_written(repository, merged, repository.tree_of(ours))
        return merged
    if done.exit_code == 1:
        raise MergeConflict(sorted({path for path in fields[1:] if path}))
    if "unrelated histories" in done.stderr:
        hint = "git fetch --unshallow" if repository.is_shallow else ""
        raise RepoError("the two commits have no common history", hint=hint)
    raise GitFailed(["merge-tree"], exit_code=done.exit_code, stderr=done.stderr)


def is_ancestor(repository: Repository, *, older: Oid, newer: Oid) -> bool:
    """Whether `newer` contains `older`; a commit contains itself."""
    done = repository.run("merge-base", "--is-ancestor", older, newer, check=False)
    if done.exit_code > 1:
        raise GitFailed(["merge-base"], exit_code=done.exit_code, stderr=done.stderr)
    return done.exit_code == 0


def find_checkout(repository: Repository, branch: str) -> Path | None:
    """Return the checkout of the user's in which the branch is checked out; None when there is none."""
    name = short_name(branch)
    listed = (w for w in list_worktrees(repository) if w.branch == name and not w.is_ours and not w.is_bare)
    return next((w.path for w in listed), None)


def merge_into_branch(repository: Repository, branch: str, theirs: Oid, *, expected: Oid, message: str) -> Oid:
    """Bring `theirs` into the user's branch and return its new tip, wherever the branch is checked out or not.

    `expected` is the tip that was tested against: RefMoved when the branch stands elsewhere. See the two functions
    below for what happens to files.
    """
    place = find_checkout(repository, branch)
    if place is not None:
        return merge_checked_out(repository, branch, theirs, expected=expected, message=message, checkout=place)
    return merge_unchecked(repository, branch, theirs, expected=expected, message=message)


def merge_checked_out(
    repository: Repository,
    branch: str,
    theirs: Oid,
    *,
    expected: Oid,
    message: str,
    checkout: Path | None = None,
) -> Oid:
    """Merge in the user's checkout by the user's git: hooks, signing, merge.ff and drivers apply.

    NeedsPerson when the checkout isn't clean or has another branch; MergeConflict and whatever a hook refuses leave it
    as it was. Untracked files survive, or stop the merge. A kill between git's own steps can leave a merge to abort.
    """
    place = checkout or repository.require_work_tree()
    name = short_name(branch)
    _check_ready(place, name)
    if read_ref(repository, branch_ref(name)) != expected:
        raise RefMoved(branch_ref(name), expected=expected)
    if is_ancestor(repository, older=theirs, newer=expected):
        return expected
    if not is_ancestor(repository, older=expected, newer=theirs):
        merge_in_memory(repository, ours=expected, theirs=theirs)  # says so before any file is touched
    done = run_git(
        ["merge", "--no-edit", "--no-autostash", "--no-squash", "--commit", "--no-log", "-m", message, theirs],
        cwd=place,
        env={"GIT_REFLOG_ACTION": "mimo: merge", "GIT_MERGE_AUTOEDIT": "no"},
        check=False,
        user_hooks=True,
    )
    if done.exit_code:
        _take_back(place, done)
    tip = read_ref(repository, branch_ref(name))
    if tip is None or not is_ancestor(repository, older=theirs, newer=tip):
        raise RepoError(f"git reported a merge, but `{name}` does not contain it: `{theirs}`")
    return tip


def merge_unchecked(repository: Repository, branch: str, theirs: Oid, *, expected: Oid, message: str) -> Oid:
    """Fast-forward or merge a branch that nobody has checked out: only the ref moves, no hook runs.

    A merge commit is signed where the user's configuration asks for it.
    """
    if is_ancestor(repository, older=theirs, newer=expected):
        return expected
    tip = theirs
    if not is_ancestor(repository, older=expected, newer=theirs):
        tree = merge_in_memory(repository, ours=expected, theirs=theirs)
        tip = write_final_commit(repository, tree=tree, parents=[expected, theirs], message=message)
    update_ref(repository, branch_ref(branch), tip, expected=expected, reason="mimo: merge")
    return tip


def _check_ready(place: Path, branch: str) -> None:
    """Refuse a checkout with anything in it that a merge could lose or mix up."""
    on = run_git(["symbolic-ref", "--quiet", "--short", "HEAD"], cwd=place, check=False).text
    if on != branch:
        where = f"on `{on}`" if on else "on a detached HEAD"
        raise NeedsPerson(f"the checkout `{place}` is {where}, not on `{branch}`", hint=f"git switch {branch}")
    home = worktree_git_dir(place)
    for name, operation in _UNFINISHED.items():
        if home is not None and (home / name).exists():
            raise NeedsPerson(
                f"a {operation} is unfinished in `{place}`", hint=f"git {operation} --abort, or finish it first"
            )
    changed = run_git(["status", "--porcelain", "-z", "--untracked-files=no"], cwd=place).text
    if changed:
        paths = [entry[3:] for entry in changed.split("\0") if entry[2:3] == " "]
        more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
        listed = ", ".join(f"`{path}`" for path in paths[:_SHOWN_PATHS])
        raise NeedsPerson(
            f"the checkout has uncommitted changes: {listed}{more}", hint="git stash, then merge, then git stash pop"
        )


def _take_back(place: Path, done: GitResult) -> None:
    """Abort what the failed merge left, and say why it failed."""
    home = worktree_git_dir(place)
    conflicts = run_git(["diff", "--name-only", "--diff-filter=U", "-z"], cwd=place, check=False).text
    said = GitFailed(["merge"], exit_code=done.exit_code, stderr=done.stderr or done.text)
    if home is not None and (home / "MERGE_HEAD").exists():
        aborted = run_git(["merge", "--abort"], cwd=place, check=False)
        if aborted.exit_code:
            raise NeedsPerson(
                f"the merge stopped halfway and could not be taken back: {aborted.stderr.strip()}",
                hint=f"git -C '{place}' status",
            ) from said
    if conflicts:
        raise MergeConflict(sorted(path for path in conflicts.split("\0") if path))
    raise NeedsPerson(f"the merge was refused, nothing has changed: {said.message}") from said
