"""Taking back what a killed `git merge` left in the user's checkout: locks, half-written files, merge state."""

import contextlib
import os
from pathlib import Path

from gitmimo.errors import NeedsPerson
from gitmimo.git.binary import run_git
from gitmimo.git.merge import is_ancestor
from gitmimo.git.open_files import is_open
from gitmimo.git.refs import branch_ref, read_ref, worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_STATE = ("MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "AUTO_MERGE", "MERGE_AUTOSTASH")
_CLOCK_S = 2.0  # file systems and journals round times


def mend_checkout(
    repository: Repository, checkout: Path, *, branch: str, old: Oid, theirs: Oid, merged: Oid, since: float
) -> None:
    """Bring a checkout back to `old` after our merge of `theirs` was killed there; nothing else may be running in it.

    `merged` is the tree that the merge was to bring, `since` when it began: the checkout was clean then. What is newer
    than that and neither the old nor the new state is the user's: NeedsPerson names it and leaves it. Does nothing
    where nothing is left over.
    """
    home = worktree_git_dir(checkout)
    if home is None:
        return
    ref = branch_ref(branch)
    locks = [home / f"{name}.lock" for name in ("index", "HEAD", "ORIG_HEAD", "MERGE_HEAD", "MERGE_MSG")]
    for lock in (*locks, repository.common_dir / f"{ref}.lock"):
        remove_lock(lock, since)
    tip = read_ref(repository, ref)
    if tip == old:
        _take_files_back(checkout, old, merged)
    if tip == old or (tip is not None and is_ancestor(repository, older=theirs, newer=tip)):
        _end_merge_state(home, theirs, since)


def remove_lock(lock: Path, since: float) -> None:
    """Remove a lock that was taken since we began and that no living process holds open."""
    with contextlib.suppress(FileNotFoundError):
        if lock.stat().st_mtime >= since - _CLOCK_S and not is_open(lock):
            lock.unlink()


def _end_merge_state(home: Path, theirs: Oid, since: float) -> None:
    said = home / "MERGE_HEAD"
    with contextlib.suppress(FileNotFoundError):
        if said.read_text().split() not in ([str(theirs)], []):
            return  # another merge, the user's
    for name in _STATE:
        with contextlib.suppress(FileNotFoundError):
            if (home / name).stat().st_mtime >= since - _CLOCK_S:
                (home / name).unlink()


def _take_files_back(checkout: Path, old: Oid, merged: Oid) -> None:
    listed = run_git(["diff-tree", "-r", "-z", "--raw", "--no-renames", f"{old}^{{tree}}", merged], cwd=checkout)
    fields = listed.stdout.split(b"\0")
    changes = [(fields[i].decode().split(), fields[i + 1]) for i in range(0, len(fields) - 1, 2)]
    foreign = [path for facts, path in changes if not _is_between(checkout, path, facts)]
    if foreign:
        names = ", ".join(f"`{os.fsdecode(path)}`" for path in foreign[:5])
        raise NeedsPerson(
            f"a merge was cut off and these files changed since: {names}",
            hint=f"git -C '{checkout}' status   # keep what you need, then: git restore --staged --worktree FILE",
        )
    if not changes:
        return
    every = b"".join(path + b"\0" for _, path in changes)
    run_git(["reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", old], cwd=checkout, input=every,
            env={"GIT_LITERAL_PATHSPECS": "1"})  # fmt: skip
    for facts, path in changes:
        if not int(facts[0].lstrip(":"), 8):
            _remove_file(checkout, path)
    kept = b"".join(path + b"\0" for facts, path in changes if int(facts[0].lstrip(":"), 8))
    if kept:
        run_git(["checkout-index", "--force", "--index", "-z", "--stdin"], cwd=checkout, input=kept)


def _is_between(checkout: Path, path: bytes, facts: list[str]) -> bool:
    """Whether the file is as it was, as it was to be, absent, or a beginning of what it was to be."""
    place = checkout / os.fsdecode(path)
    new_mode, old_oid, new_oid = facts[1], facts[2], facts[3]
    if place.is_symlink():
        written = os.fsencode(place.readlink())
        found = run_git(["hash-object", "--stdin"], cwd=checkout, input=written).text.strip()
        return found in (old_oid, new_oid)
    if not place.exists():
        return True
    if place.is_dir():
        return True  # a file that became a directory: what lies in it is judged path by path
    found = run_git(["hash-object", "--", str(place)], cwd=checkout).text.strip()
    if found in (old_oid, new_oid):
        return True
    if not int(new_mode, 8) or new_mode in ("120000", "160000"):
        return False
    meant = run_git(["cat-file", "--filters", f"--path={os.fsdecode(path)}", new_oid], cwd=checkout).stdout
    return meant.startswith(place.read_bytes())


def _remove_file(checkout: Path, path: bytes) -> None:
    place = checkout / os.fsdecode(path)
    if place.is_dir() and not place.is_symlink():
        return
    place.unlink(missing_ok=True)
    for parent in place.parents:
        if parent == checkout:
            return
        try:
            parent.rmdir()
        except OSError:
            return
