"""Holding objects while a command writes them and until every `git gc` that may have missed their refs has ended."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from gitmimo.git.hold import Hold
from gitmimo.git.refs import worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.locks import LockTimeout, hold_lock

_LOCK = ".lock"
_LONGEST_WAIT_S = 60.0
_CLEANERS = (b"gc", b"prune", b"repack", b"maintenance", b"prune-packed")


@contextlib.contextmanager
def hold_objects(repository: Repository, name: str = "") -> Iterator[None]:
    """Hold what this process writes into the repository in the meantime; inside another hold nothing is added.

    At the end, waits at most a minute for a gc that began before the last ref moved, and puts back what it took. What
    is left by a kill or a gc that takes longer is put back by `sweep_holds`. Covers `git gc` and `git prune` whose
    working directory lies in this repository; a remote machine's on a shared disk is not seen.
    """
    if repository.hold is not None:
        yield
        return
    directory = _holds(repository) / (name or f"command-{secrets.token_hex(5)}")
    with hold_lock(directory / _LOCK):
        hold = Hold(repository.common_dir / "objects", directory)
        hold.put_back()
        repository.begin_hold(hold)
        try:
            yield
        finally:
            repository.begin_hold(None)
            if _await_cleaners(repository):
                _end(hold)


def sweep_holds(repository: Repository) -> int:
    """Put back what gc took from commands that were killed, and forget their holds; return how many objects."""
    count = 0
    for directory in sorted(_holds(repository).glob("*")):
        with contextlib.suppress(LockTimeout), hold_lock(directory / _LOCK, wait_s=0):
            if not find_cleaners(repository):
                count += _end(Hold(repository.common_dir / "objects", directory))
    return count


def find_cleaners(repository: Repository) -> frozenset[int]:
    """The processes that run `git gc` or a part of it on this repository, as far as the system tells."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_bytes() != b"git\n":
                continue
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if any(word in _CLEANERS for word in words[1:]) and _is_inside(repository, (entry / "cwd").readlink()):
                found.add(int(entry.name))
    return frozenset(found)


def _holds(repository: Repository) -> Path:
    return repository.state_dir / "held"


def _end(hold: Hold) -> int:
    count = hold.put_back()
    shutil.rmtree(hold.directory, ignore_errors=True)
    return count


def _await_cleaners(repository: Repository) -> bool:
    """Wait until those of now have ended, whoever starts later sees our refs; False when one takes too long."""
    limit = time.monotonic() + _LONGEST_WAIT_S
    seen = find_cleaners(repository)
    while seen and time.monotonic() < limit:
        time.sleep(0.02)
        seen &= find_cleaners(repository)
    return not seen


def _is_inside(repository: Repository, place: Path) -> bool:
    """Whether a directory lies in a checkout of this repository, or in its git directory."""
    common = repository.common_dir.resolve()
    for parent in (place, *place.parents):
        home = worktree_git_dir(parent)
        if parent == common or (home is not None and common in (home.resolve(), *home.resolve().parents)):
            return True
    return False
