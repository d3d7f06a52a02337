"""Keep new objects until every `git gc` that may have missed their refs has ended; see `object_keeper`."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from gitmimo.files import remove_tree
from gitmimo.git.object_keeper import ObjectKeeper, lock_of, restore
from gitmimo.git.refs import worktree_git_dir
from gitmimo.git.repository import Repository
from gitmimo.git.run import subcommand_of
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.processes import list_processes

_LONGEST_WAIT_S = 60.0
_PRUNING = ("gc", "prune", "repack", "maintenance", "prune-packed")


@contextlib.contextmanager
def keep_objects(repository: Repository) -> Iterator[None]:
    """Keep what this process writes into the repository in the meantime; blocks may be nested, and in several threads.

    At the end of the last one, waits at most a minute for a gc that began before the last ref moved, and restores what
    it took. What a killed command or a gc that takes longer leaves is restored by `restore_kept_objects`. Covers
    `git gc` and `git prune` whose working directory is in this repository, but not
    those of other machines on a shared disk.
    """
    with repository.keeper_lock:
        if repository.keeper is None:
            restore_kept_objects(repository)
            repository.keeper = ObjectKeeper(repository.common_dir / "objects", _directory(repository) / _new_name())
        repository.keeper_users += 1
    try:
        yield
    finally:
        with repository.keeper_lock:
            repository.keeper_users -= 1
            keeper = repository.keeper if not repository.keeper_users else None
            if keeper is not None:
                repository.keeper = None
        if keeper is not None:
            keeper.end(is_complete=_wait_for_gcs(repository))


def restore_kept_objects(repository: Repository) -> int:
    """Restore the objects that a gc removed from killed commands, and remove their links; return how many objects."""
    count = 0
    for directory in sorted(_directory(repository).glob("*.objects")):
        with contextlib.suppress(LockTimeout), hold_lock(lock_of(directory), wait_s=0):
            if not running_gcs(repository):
                count += restore(repository.common_dir / "objects", directory)
                remove_tree(directory)
                lock_of(directory).unlink(missing_ok=True)  # its name is used once: nobody waits for it
    return count


def running_gcs(repository: Repository) -> frozenset[int]:
    """The processes that run `git gc` or a part of it on this repository, as far as the system tells."""
    return frozenset(
        process.pid
        for process in list_processes("git")
        if subcommand_of(process.words[1:]) in _PRUNING and _is_inside(repository, process.directory)
    )


def _directory(repository: Repository) -> Path:
    return repository.state_dir / "kept"


def _new_name() -> str:
    return f"{secrets.token_hex(5)}.objects"


def _wait_for_gcs(repository: Repository) -> bool:
    """Wait for the gcs that run now, as later ones see our refs; False when one takes too long."""
    limit = time.monotonic() + _LONGEST_WAIT_S
    seen = running_gcs(repository)
    while seen and time.monotonic() < limit:
        time.sleep(0.02)
        seen &= running_gcs(repository)
    return not seen


def _is_inside(repository: Repository, directory: Path) -> bool:
    """Whether a directory is in a checkout of this repository or in its git directory."""
    common = repository.common_dir.resolve()
    for parent in (directory, *directory.parents):
        home = worktree_git_dir(parent)
        if parent == common or (home is not None and common in (home.resolve(), *home.resolve().parents)):
            return True
    return False
