"""Worktrees of ours: created one at a time, locked with their owner's name, removed without a trace.

git keeps an administrative directory for each worktree. A kill can leave one half written, and then git refuses to list
any worktree at all: so ours are recognised, by their lock, and cleared without asking git.
"""

import contextlib
import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.files import hold_lock, remove_tree
from gitmimo.git.refs import (
    admin_directories,
    clear_stale_lock,
    delete_ref,
    read_ref,
    read_state,
    worktree_git_dir,
)
from gitmimo.git.repository import Repository
from gitmimo.git.rules import read_tree_rules
from gitmimo.git.run import GitFailed, check_outside_name
from gitmimo.git.trees import CHECKOUT_SWITCHES
from gitmimo.ids import Oid, branch_ref, short_name
from gitmimo.processes import is_alive, process_name

_MARK = "git-mimo: "
_LONG_WAIT_S = 600.0
_UNKNOWN_FOR_S = 24 * 3600.0  # so long a process that can't be asked about counts as running
_OWNER = re.compile(r"\[process (\S+) since (\d+) on (.*)\]\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that made a worktree, by a name that is never reused, when, and on which host."""

    process: str
    since_s: int
    host: str

    @property
    def is_alive(self) -> bool:
        """Whether it may still run.

        A process of another host can't be asked about, nor one of this machine under another host name, as when a
        container is recreated: it counts as running for a day.
        """
        is_unknown = self.host != socket.gethostname() and time.time() - self.since_s < _UNKNOWN_FOR_S
        return is_unknown or is_alive(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worktree:
    """One checkout of the repository, the user's first. `locked` is None, or the reason as it was given."""

    path: Path
    head: Oid | None
    branch: str | None  # short name; None when detached
    locked: str | None = None
    is_bare: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether git-mimo made it."""
        return self.locked is not None and self.locked.startswith(_MARK)

    @property
    def owner(self) -> Owner | None:
        """Who made it; None when that isn't git-mimo, or an older version of it."""
        return _parse_owner(self.locked or "")


def add_worktree(repository: Repository, path: Path, *, branch: str, start: Oid, reason: str) -> Worktree:
    """Make a worktree with a new branch at `start`, or with the branch as it is if it is already at `start`.

    Runs no hooks, follows no upstream, writes no configuration. What a killed process left half-made there is removed
    first. If it fails halfway, as on a full disk, everything made is removed and RepoError is raised.
    """
    name = check_outside_name(short_name(branch), what="branch")
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S):
        _sweep(repository.common_dir)
        left = find_admin_directory(repository.common_dir, path)
        if left is not None and _is_ours(left) and not path.is_dir():  # somebody removed the files
            _discard(left)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RepoError(f"something is already there: `{path}`", hint=f"mv '{path}' '{path}.old'")
        clear_stale_lock(repository, branch_ref(name))  # of a git that was killed while it moved the branch
        before = read_ref(repository, branch_ref(name))
        if before not in (None, start):
            raise RepoError(f"the branch `{name}` exists and is at another commit: `{before}`")
        owner = f"process {process_name(os.getpid())} since {int(time.time())} on {socket.gethostname()}"
        locked = f"{_MARK}{' '.join(reason.split())} [{owner}]"
        others = admin_directories(repository.common_dir)
        finished = False
        try:
            _add(repository, path, name, start, locked, is_new=before is None)
            finished = True
        except (GitFailed, OSError) as exc:
            said = exc.message if isinstance(exc, GitFailed) else str(exc)
            raise RepoError(f"cannot make the worktree `{path}`: {said}", hint=_space_hint(said)) from exc
        finally:
            if not finished:
                _undo_add(repository, path, name, start, others, is_new=before is None)
    return Worktree(path=path, head=start, branch=name, locked=locked)


def remove_worktree(repository: Repository, path: Path) -> None:
    """Remove a worktree that git-mimo made, its changes included; the branch stays. Does nothing when it is gone.

    RepoError for anybody else's. Whether something would be lost is the caller's question: see `gc`.
    """
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S):
        _sweep(repository.common_dir)
        found = find_admin_directory(repository.common_dir, path)
        if found is not None and _is_ours(found):
            _discard(found)
        elif found is not None or (path / ".git").is_dir():
            raise RepoError(f"not removed, since git-mimo did not make it: `{path}`")


def sweep_worktrees(repository: Repository) -> int:
    """Remove the unusable worktrees that killed processes left; return how many there were."""
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S):
        return len(_sweep(repository.common_dir))


def list_worktrees(repository: Repository) -> tuple[Worktree, ...]:
    """Return all worktrees, the main one first."""
    try:
        listed = repository.run("worktree", "list", "--porcelain", "-z").text
    except GitFailed:  # git gives up on the whole list when one was left half written
        if not sweep_worktrees(repository):
            raise
        listed = repository.run("worktree", "list", "--porcelain", "-z").text
    return tuple(_parse_worktree(block) for block in listed.split("\0\0") if block)


def find_admin_directory(common_dir: Path, path: Path) -> Path | None:
    """Return the administrative directory of the worktree at this path; None without one."""
    wanted = os.path.realpath(path)
    for directory in admin_directories(common_dir):
        found = worktree_path(directory)
        if found is not None and os.path.realpath(found) == wanted:
            return directory
    return None


def worktree_path(directory: Path) -> Path | None:
    """Return the path of an administrative directory's worktree; None when it wasn't recorded yet."""
    text = read_state(directory / "gitdir").removesuffix("\n")
    return (directory / text).parent if text else None


def _sweep(common_dir: Path) -> tuple[Path, ...]:
    """Remove each unusable worktree of ours; return their administrative directories.

    Those are half made or half removed by a killed process, or their files are gone and so is their owner. Only under
    the lock for worktrees, which says that nobody is making one just now. A kill can also fall before git wrote whose
    it is, or after: then it is an empty directory, and its name, a candidate's number, says it.
    """
    left = [directory for directory in admin_directories(common_dir) if _is_ours(directory) and _is_unusable(directory)]
    for directory in left:
        _discard(directory)
    for directory in admin_directories(common_dir):
        if directory.name.isdigit():
            with contextlib.suppress(OSError):
                directory.rmdir()  # only where it is empty
    return tuple(left)


def _is_unusable(directory: Path) -> bool:
    """Whether the worktree is incomplete (git writes the index last) or abandoned."""
    path = worktree_path(directory)
    if path is None or not (directory / "index").exists():
        return True
    owner = _parse_owner(read_state(directory / "locked"))
    return not path.exists() and (owner is None or not owner.is_alive)


def _discard(directory: Path) -> None:
    """Remove a worktree of ours, its files first and our mark last, so that an interrupted removal can be finished."""
    (directory / "index").unlink(missing_ok=True)  # from here on it isn't whole
    path = worktree_path(directory)
    try:
        if path is not None:
            pointed = worktree_git_dir(path)
            is_other = pointed is not None and pointed != directory and pointed.parent == directory.parent
            if is_other and pointed is not None and pointed.exists():
                raise RepoError(f"another worktree is at the path of one of ours: `{path}`")
            remove_tree(path)
        for item in directory.iterdir():
            if item.name not in ("gitdir", "locked"):
                remove_tree(item)
        (directory / "gitdir").unlink(missing_ok=True)
        (directory / "locked").unlink(missing_ok=True)
        directory.rmdir()
    except OSError as exc:
        raise RepoError(f"cannot remove the worktree: {exc}", hint=f"rm -r '{path}'") from exc
    with contextlib.suppress(OSError):  # git, too, removes it with the last one
        directory.parent.rmdir()


def _is_ours(directory: Path) -> bool:
    return read_state(directory / "locked").startswith(_MARK)


def _parse_owner(locked: str) -> Owner | None:
    found = _OWNER.search(locked.removesuffix("\n")) if locked.startswith(_MARK) else None
    return Owner(process=found[1], since_s=int(found[2]), host=found[3]) if found else None


def _lock_path(repository: Repository) -> Path:
    return repository.state_dir / "worktree.lock"


def _add(repository: Repository, path: Path, name: str, start: Oid, reason: str, *, is_new: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = ["--no-track", "-b", name, str(path), start] if is_new else [str(path), name]
    switches = read_tree_rules(repository, start).filter_switches
    repository.run(*CHECKOUT_SWITCHES, *switches, "worktree", "add", "--quiet", "--lock", "--reason", reason, *target)


def _undo_add(repository: Repository, path: Path, name: str, start: Oid, others: list[Path], *, is_new: bool) -> None:
    """Undo a half-made worktree: only the directories and the branch that came with it."""
    with contextlib.suppress(RepoError, OSError):  # the first failure is the one to report
        for directory in admin_directories(repository.common_dir):
            if directory not in others and (_is_ours(directory) or worktree_path(directory) == path):
                _discard(directory)
        remove_tree(path)
        if is_new and read_ref(repository, branch_ref(name)) is not None:
            delete_ref(repository, branch_ref(name), expected=start, reason="mimo: worktree failed")


def _space_hint(said: str) -> str:
    if any(words in said.lower() for words in ("no space left", "unable to write", "quota")):
        return "free some space, or: export XDG_STATE_HOME=/path/with/space"
    return ""


def _parse_worktree(block: str) -> Worktree:
    facts = dict(line.partition(" ")[::2] for line in block.strip("\0").split("\0"))
    return Worktree(
        path=Path(facts["worktree"]),
        head=Oid(facts["HEAD"]) if facts.get("HEAD", "").strip("0") else None,
        branch=short_name(facts["branch"]) if "branch" in facts else None,
        locked=facts.get("locked"),
        is_bare="bare" in facts,
    )
