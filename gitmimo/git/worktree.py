"""Worktrees of ours: made one at a time, locked with their owner's name, removed without a trace."""

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import RepoError, WorktreeError
from gitmimo.git.admin import MARK, admin_entries, discard, find_entry_of, is_ours, remove_tree, sweep
from gitmimo.git.binary import GitFailed, check_outside_name
from gitmimo.git.refs import branch_ref, check_branch_prefix, clear_stale_lock, delete_ref, read_ref, short_name
from gitmimo.git.repository import Repository
from gitmimo.git.tree import CHECKOUT_SWITCHES
from gitmimo.locks import hold_lock
from gitmimo.records import Oid

_LONG_WAIT_S = 600.0
_OWNER = re.compile(r"\[pid (\d+) started (\S+) on (.*)\]\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that made a worktree. Numbers are reused, so the start time is part of the name."""

    pid: int
    started: str
    host: str

    @property
    def is_alive(self) -> bool:
        """Whether it may still run: also true where that can't be known, as for another host."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        started = process_start(self.pid)
        return started == "unknown" or self.started == "unknown" or started == self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Worktree:
    """One checkout of the repository, the user's first. `locked` is None, or the reason as it was given."""

    path: Path
    head: Oid | None
    branch: str | None  # short name; None when detached
    locked: str | None = None
    is_prunable: bool = False
    is_bare: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether git-mimo made it."""
        return self.locked is not None and self.locked.startswith(MARK)

    @property
    def owner(self) -> Owner | None:
        found = _OWNER.search(self.locked or "") if self.is_ours else None
        return Owner(pid=int(found[1]), started=found[2], host=found[3]) if found else None


def add_worktree(
    repository: Repository,
    path: Path,
    *,
    branch: str,
    start: Oid,
    reason: str,
    cancelled: Callable[[], bool] = lambda: False,
) -> Worktree:
    """Make a worktree with a new branch at `start`, or with the branch as it is where it already stands there.

    Runs no hooks, follows no upstream, writes no configuration. One that is there already, whole and on the branch, is
    returned as it is; what a killed process left half-made is made anew. WorktreeError, with everything we made gone
    again, when it fails halfway, as on a full disk.
    """
    name = check_outside_name(short_name(branch), what="branch")
    check_branch_prefix(repository, name.rpartition("/")[0] or name)
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S, cancelled=cancelled):
        known = _ready_place(repository, path, name)
        if known is not None:
            return known
        clear_stale_lock(repository, branch_ref(name))  # of a git that was killed while it moved the branch
        before = read_ref(repository, branch_ref(name))
        if before not in (None, start):
            raise WorktreeError(f"the branch `{name}` exists and stands elsewhere: `{before}`")
        locked = f"{MARK}{' '.join(reason.split())} {_this_owner()}"
        entries = admin_entries(repository.common_dir)
        finished = False
        try:
            _add(repository, path, name, start, locked, is_new=before is None)
            finished = True
        except (GitFailed, OSError) as exc:
            said = exc.message if isinstance(exc, GitFailed) else str(exc)
            raise WorktreeError(f"cannot make the worktree `{path}`: {said}", hint=_space_hint(said)) from exc
        finally:
            if not finished:
                _clear_away(repository, path, name, start, entries, is_new=before is None)
    return Worktree(path=path, head=start, branch=name, locked=locked)


def remove_worktree(repository: Repository, path: Path) -> None:
    """Remove a worktree that git-mimo made, its changes included; the branch stays. Does nothing when it is gone.

    WorktreeError for anybody else's. Whether something would be lost is the caller's question: see `gc`.
    """
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S):
        sweep(repository.common_dir)
        entry = find_entry_of(repository.common_dir, path)
        if entry is not None and is_ours(entry):
            discard(entry)
        elif entry is not None or _find(repository, path) is not None:
            raise WorktreeError(f"not removed, since git-mimo did not make it: `{path}`")


def sweep_worktrees(repository: Repository) -> int:
    """Clear away what killed processes left half made or half removed; return how many there were."""
    with hold_lock(_lock_path(repository), wait_s=_LONG_WAIT_S):
        return len(sweep(repository.common_dir))


def find_worktree(repository: Repository, path: Path) -> Worktree | None:
    """Return the worktree at this path; None when git knows of none."""
    wanted = os.path.realpath(path)
    return next((w for w in list_worktrees(repository) if os.path.realpath(w.path) == wanted), None)


def list_worktrees(repository: Repository) -> tuple[Worktree, ...]:
    """Return all worktrees, the main one first."""
    try:
        return _list(repository)
    except GitFailed:  # git gives up on the whole list when one entry was left half written
        if not sweep_worktrees(repository):
            raise
        return _list(repository)


@contextlib.contextmanager
def worktree(repository: Repository, path: Path, *, branch: str, start: Oid, reason: str) -> Iterator[Worktree]:
    """Have a worktree for the length of a `with`; its branch stays."""
    made = add_worktree(repository, path, branch=branch, start=start, reason=reason)
    try:
        yield made
    finally:
        remove_worktree(repository, path)


def process_start(pid: int) -> str:
    """Return when a process started, in the kernel's ticks since boot; `unknown` where the kernel doesn't say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return "unknown"
    return stat.rpartition(b")")[2].split()[19].decode()


def _this_owner() -> str:
    return f"[pid {os.getpid()} started {process_start(os.getpid())} on {socket.gethostname()}]"


def _lock_path(repository: Repository) -> Path:
    return repository.state_dir / "worktree.lock"


def _list(repository: Repository) -> tuple[Worktree, ...]:
    listed = repository.run("worktree", "list", "--porcelain", "-z").text
    return tuple(_parse_worktree(block) for block in listed.split("\0\0") if block)


def _find(repository: Repository, path: Path) -> Worktree | None:
    wanted = os.path.realpath(path)
    return next((w for w in _list(repository) if os.path.realpath(w.path) == wanted), None)


def _ready_place(repository: Repository, path: Path, name: str) -> Worktree | None:
    """Return our worktree where it is there already, on the branch; otherwise make sure that the place is free."""
    sweep(repository.common_dir)
    entry = find_entry_of(repository.common_dir, path)
    if entry is not None and is_ours(entry):
        if not path.is_dir():  # somebody removed the files
            discard(entry)
        else:
            known = _find(repository, path)
            if known is not None and known.branch == name:
                return known
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorktreeError(f"something is already there: `{path}`", hint=f"mv '{path}' '{path}.old'")
    return None


def _add(repository: Repository, path: Path, name: str, start: Oid, reason: str, *, is_new: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = ["--no-track", "-b", name, str(path), start] if is_new else [str(path), name]
    switches = repository.user_rules.filter_switches(repository.filters_of(start))
    repository.run(*CHECKOUT_SWITCHES, *switches, "worktree", "add", "--quiet", "--lock", "--reason", reason, *target)


def _clear_away(
    repository: Repository, path: Path, name: str, start: Oid, entries: list[Path], *, is_new: bool
) -> None:
    """Undo a half-made worktree: only the entry, directory and branch that came with it."""
    with contextlib.suppress(RepoError):  # the first failure is the one to tell
        for entry in admin_entries(repository.common_dir):
            if entry not in entries:
                discard(entry)
        remove_tree(path)
        if is_new and read_ref(repository, branch_ref(name)) is not None:
            delete_ref(repository, branch_ref(name), expected=start, reason="mimo: worktree failed")


def _space_hint(said: str) -> str:
    if any(words in said.lower() for words in ("no space left", "unable to write", "quota")):
        return "free some space, or: git config mimo.worktreeDir /path/with/space"
    return ""


def _parse_worktree(block: str) -> Worktree:
    facts = dict(line.partition(" ")[::2] for line in block.strip("\0").split("\0"))
    return Worktree(
        path=Path(facts["worktree"]),
        head=Oid(facts["HEAD"]) if facts.get("HEAD", "").strip("0") else None,
        branch=short_name(facts["branch"]) if "branch" in facts else None,
        locked=facts.get("locked"),
        is_prunable="prunable" in facts,
        is_bare="bare" in facts,
    )
