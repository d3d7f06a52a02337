"""Cleaning up after a session whose process has ended: its worktrees and files outside the repository."""

import contextlib
import os
import re
import time
from pathlib import Path

from gitmimo import mimo_dir
from gitmimo.errors import MimoError, NeedsPerson
from gitmimo.files import remove_tree
from gitmimo.git import commit, refs, snapshot
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import Worktree, list_worktrees, remove_worktree, sweep_worktrees
from gitmimo.records import Oid, SessionId

UNFINISHED = "refs/mimo/unfinished/"
_OURS = re.compile(r"(\d+(\.git|\.home|\.tmp|\.index(\.(lock|state|rules))?)?|bench|dream|replay-\w{8})\Z")
_DEATH_S = 5.0  # children of a killed session die with it, though not at once


def clear_session(repository: Repository, session: SessionId, directory: Path) -> None:
    """Remove the worktrees and files of a session whose process is gone; the caller holds the session's lock.

    Branches and their commits stay. NeedsPerson when a process still works in there.
    """
    if not directory.is_dir():
        return
    _wait_for_death(directory)
    sweep_worktrees(repository)
    foreign = set()
    for worktree in list_worktrees(repository):
        if os.path.realpath(worktree.path.parent) != os.path.realpath(directory):
            continue
        if worktree.is_ours:
            keep_unfinished(repository, session, worktree)
            remove_worktree(repository, worktree.path)
        else:
            foreign.add(worktree.path.name)
    for path in directory.iterdir():
        if not _OURS.match(path.name) or path.name in foreign:
            continue
        remove_tree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def keep_unfinished(repository: Repository, session: SessionId, worktree: Worktree) -> Oid | None:
    """Keep what a candidate had changed since its last step under a private ref, unless there is nothing."""
    if worktree.head is None or not worktree.path.name.isdigit() or not worktree.path.is_dir():
        return None
    try:
        found = snapshot.snapshot_worktree(repository, worktree.path, parent=worktree.head)
    except MimoError:
        return None  # what can't be read is no work; the steps are on the branch
    whole = mimo_dir.with_mimo_from(repository, found, repository.tree_of(worktree.head))
    if whole == repository.tree_of(worktree.head):
        return None
    made = commit.write_commit(
        repository, tree=whole, parents=(worktree.head,), message=f"mimo: unfinished step of {session}\n"
    )
    ref = f"{UNFINISHED}{session}/{worktree.path.name}"
    refs.update_ref(repository, ref, made, expected=refs.read_ref(repository, ref), reason="mimo: unfinished step")
    return made


def processes_in(directory: Path) -> tuple[int, ...]:
    """The processes whose working directory is inside a directory, as far as the system reports it."""
    place = os.path.realpath(directory)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            where = str((entry / "cwd").readlink())
            if where == place or where.startswith(f"{place}/"):
                found.append(int(entry.name))
    return tuple(found)


def _wait_for_death(directory: Path) -> None:
    limit = time.monotonic() + _DEATH_S
    while left := processes_in(directory):
        if time.monotonic() > limit:
            listed = " ".join(str(pid) for pid in left)
            raise NeedsPerson(f"processes still work in `{directory}`: {listed}", hint=f"kill {listed}")
        time.sleep(0.05)
