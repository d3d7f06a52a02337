"""Merges: in memory to test the result, into the user's branch, and recovery after a kill."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import MergeConflict, NeedsPerson, RefMoved, RepoError
from gitmimo.git.commit import write_final_commit
from gitmimo.git.refs import read_ref, update_ref, worktree_git_dir
from gitmimo.git.repository import GITLINK, LINK, Entry, Repository
from gitmimo.git.run import GitFailed, GitOptions, run_git
from gitmimo.git.trees import changed_paths
from gitmimo.git.worktree import list_worktrees
from gitmimo.ids import Oid, branch_ref, short_name
from gitmimo.processes import has_open, processes_in

# what git leaves while an operation waits for the user
_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisect",
}
_MERGE_STATE = ("MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "AUTO_MERGE", "MERGE_AUTOSTASH")
_SHOWN_PATHS = 5
_CLOCK_S = 2.0  # file systems and journals round times


def merge_in_memory(repository: Repository, *, ours: Oid, theirs: Oid) -> Oid:
    """Return the tree of the merge as git would make it; no file, index or ref is touched.

    MergeConflict names the paths that need a person.
    """
    done = repository.run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs, check=False)
    fields = done.text.split("\0")
    if done.exit_code == 0:
        return Oid(fields[0].strip())
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
    """Bring `theirs` into the user's branch and return its new tip. RefMoved when the branch isn't at `expected`.

    Where the branch is checked out the user's git merges: hooks, signing, merge.ff and drivers apply. NeedsPerson when
    something is staged there, or changed in a file that the merge changes too; MergeConflict and whatever a hook
    refuses leave it as it was. Untracked files survive, or stop the merge. A kill between git's own steps can leave a
    merge to abort. Elsewhere only the ref moves and no hook runs; a merge commit is signed where the user signs.
    """
    ref, checkout = branch_ref(branch), find_checkout(repository, branch)
    if checkout is not None:
        _check_operation(checkout, short_name(branch))
    if read_ref(repository, ref) != expected:
        raise RefMoved(ref, expected=expected)
    if is_ancestor(repository, older=theirs, newer=expected):
        return expected
    is_fast_forward = is_ancestor(repository, older=expected, newer=theirs)
    merged = repository.tree_of(theirs)
    if not is_fast_forward:
        merged = merge_in_memory(repository, ours=expected, theirs=theirs)  # says so before any file is touched
    if checkout is None:
        tip = theirs
        if not is_fast_forward:
            tip = write_final_commit(repository, tree=merged, parents=[expected, theirs], message=message)
        update_ref(repository, ref, tip, expected=expected, reason="mimo: merge")
        return tip
    _check_changes(repository, checkout, expected, merged)
    _merge_files(checkout, theirs, message)
    made = read_ref(repository, ref)
    if made is None or not is_ancestor(repository, older=theirs, newer=made):
        raise RepoError(f"git reported a merge, but `{short_name(branch)}` does not contain it: `{theirs}`")
    return made


def _check_operation(work_tree: Path, branch: str) -> None:
    """Refuse a checkout of another branch, or one in which an operation of git's waits for the user."""
    on = run_git(["symbolic-ref", "--quiet", "--short", "HEAD"], cwd=work_tree, check=False).text
    if on != branch:
        where = f"on `{on}`" if on else "on a detached HEAD"
        raise NeedsPerson(f"the checkout `{work_tree}` is {where}, not on `{branch}`", hint=f"git switch {branch}")
    home = worktree_git_dir(work_tree)
    for name, operation in _UNFINISHED.items():
        if home is not None and (home / name).exists():
            raise NeedsPerson(
                f"a {operation} is unfinished in `{work_tree}`", hint=f"git {operation} --abort, or finish it first"
            )


def _check_changes(repository: Repository, work_tree: Path, old: Oid, merged: Oid) -> None:
    """Refuse what a merge could lose: anything staged, and changes in files that it changes too."""
    touched = changed_paths(repository, old, merged)
    status = run_git(["status", "--porcelain", "-z", "--untracked-files=no"], cwd=work_tree).text.split("\0")
    entries = [(entry[:1], entry[3:]) for entry in status if entry[2:3] == " "]
    if paths := [path for staged, path in entries if staged != " " or path in touched]:
        more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
        listed = ", ".join(f"`{path}`" for path in paths[:_SHOWN_PATHS])
        raise NeedsPerson(
            f"the checkout has uncommitted changes that a merge could lose: {listed}{more}",
            hint="git stash, then merge, then git stash pop",
        )


def _merge_files(work_tree: Path, theirs: Oid, message: str) -> None:
    """Let the user's git merge; where it fails, abort the merge and say why."""
    done = run_git(
        ["merge", "--no-edit", "--no-autostash", "--no-squash", "--commit", "--no-log", "-m", message, theirs],
        cwd=work_tree,
        env={"GIT_REFLOG_ACTION": "mimo: merge", "GIT_MERGE_AUTOEDIT": "no"},
        check=False,
        user_hooks=True,
    )
    if not done.exit_code:
        return
    home = worktree_git_dir(work_tree)
    conflicts = run_git(["diff", "--name-only", "--diff-filter=U", "-z"], cwd=work_tree, check=False).text
    failure = GitFailed(["merge"], exit_code=done.exit_code, stderr=done.stderr or done.text)
    if home is not None and (home / "MERGE_HEAD").exists():
        aborted = run_git(["merge", "--abort"], cwd=work_tree, check=False)
        if aborted.exit_code:
            raise NeedsPerson(
                f"the merge stopped halfway and could not be taken back: {aborted.stderr.strip()}",
                hint=f"git -C '{work_tree}' status",
            ) from failure
    if conflicts:
        raise MergeConflict(sorted(path for path in conflicts.split("\0") if path))
    raise NeedsPerson(f"the merge was refused, nothing has changed: {failure.message}") from failure


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedMerge:
    """A merge or commit of ours that was killed while git made it in a checkout of the user's.

    The files that it changes had no changes of the user's before.
    """

    checkout: Path
    branch: str  # empty where none is checked out
    old: Oid  # the branch's tip before
    theirs: Oid
    merged: Oid  # the tree that the merge was to bring
    since: float  # when it began, in seconds since the epoch


def recover_interrupted_merge(repository: Repository, merge: InterruptedMerge) -> None:
    """Bring the checkout back to the old tip. Does nothing where nothing is left over.

    What is newer than the merge and neither the old nor the new state is the user's: NeedsPerson names it and leaves
    it. So does a git command that still runs there, for example one that waits for an editor.
    """
    home = worktree_git_dir(merge.checkout)
    if home is None:
        return
    ref = branch_ref(merge.branch)
    locks = [home / f"{name}.lock" for name in ("index", "HEAD", "ORIG_HEAD", "MERGE_HEAD", "MERGE_MSG")]
    for lock in (*locks, *home.glob("next-index-*.lock"), repository.common_dir / f"{ref}.lock"):
        _remove_lock(lock, merge.since, checkout=merge.checkout)
    detached = run_git(["rev-parse", "HEAD"], cwd=merge.checkout) if not merge.branch else None
    tip = Oid(detached.text) if detached else read_ref(repository, ref)
    if tip == merge.old:
        _take_files_back(repository, merge.checkout, merge.old, merge.merged)
    if tip == merge.old or (tip is not None and is_ancestor(repository, older=merge.theirs, newer=tip)):
        _end_merge_state(home, merge.theirs, merge.since)


def _remove_lock(lock: Path, since: float, *, checkout: Path) -> None:
    """Remove a lock file that was made after `since` and that nobody uses any more.

    git closes a lock file before it runs hooks or an editor, so whether it is open says too little: NeedsPerson while
    any git command works in the checkout.
    """
    with contextlib.suppress(FileNotFoundError):
        if lock.stat().st_mtime < since - _CLOCK_S:
            return
        users = processes_in(checkout, program="git")
        if users or has_open(lock):
            listed = " ".join(map(str, users)) or "unknown"
            raise NeedsPerson(
                f"a git command still runs in `{checkout}` (process {listed}) and has the lock `{lock.name}`",
                hint=f"finish it, or if nothing runs: rm '{lock}'",
            )
        lock.unlink()


def _end_merge_state(home: Path, theirs: Oid, since: float) -> None:
    merging = home / "MERGE_HEAD"
    with contextlib.suppress(FileNotFoundError):
        if merging.read_text().split() not in ([str(theirs)], []):
            return  # another merge, the user's
    for name in _MERGE_STATE:
        with contextlib.suppress(FileNotFoundError):
            if (home / name).stat().st_mtime >= since - _CLOCK_S:
                (home / name).unlink()


def _take_files_back(repository: Repository, checkout: Path, old: Oid, merged: Oid) -> None:
    changes = changed_paths(repository, old, merged)
    foreign = [path for path, (before, after) in changes.items() if not _is_between(checkout, path, before, after)]
    if foreign:
        names = ", ".join(f"`{path}`" for path in foreign[:_SHOWN_PATHS])
        raise NeedsPerson(
            f"a merge was cut off and these files changed since: {names}",
            hint=f"git -C '{checkout}' status   # keep what you need, then: git restore --staged --worktree FILE",
        )
    if not changes:
        return
    paths = b"".join(os.fsencode(path) + b"\0" for path in changes)
    listing = ("--pathspec-from-file=-", "--pathspec-file-nul")
    place = GitOptions(cwd=checkout, input=paths, env={"GIT_LITERAL_PATHSPECS": "1"})
    run_git(["reset", "--quiet", *listing, merged], **place)  # so that git knows the files that the merge added
    run_git(["restore", f"--source={old}", "--staged", "--worktree", *listing], **place)


def _is_between(checkout: Path, path: str, before: Entry | None, after: Entry | None) -> bool:
    """Whether the file has its old content, its new content, a beginning of that, or is absent."""
    file = checkout / path
    known = [entry.oid for entry in (before, after) if entry is not None]
    if file.is_symlink():
        written = os.fsencode(file.readlink())
        return run_git(["hash-object", "--stdin"], cwd=checkout, input=written).text in known
    if not file.exists() or file.is_dir():  # one that became a directory: its content is compared path by path
        return True
    if run_git(["hash-object", "--", str(file)], cwd=checkout).text in known:
        return True
    if after is None or after.mode in (LINK, GITLINK):
        return False
    meant = run_git(["cat-file", "--filters", f"--path={path}", after.oid], cwd=checkout).stdout
    return meant.startswith(file.read_bytes())
