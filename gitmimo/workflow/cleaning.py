"""What sessions leave behind on disk and under refs, and what of it may go."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

from gitmimo.errors import NeedsPerson
from gitmimo.git.repository import Repository
from gitmimo.git.worktree import list_worktrees, remove_worktree
from gitmimo.records import SessionId

_OURS = re.compile(r"(\d+(\.git|\.index(\.lock)?)?|bench|dream)\Z")
_DEATH_S = 5.0  # children of a killed session die with it, though not at once


def clear_session(repository: Repository, session: SessionId, directory: Path) -> None:
    """Remove the worktrees and files of a session whose process is gone; the caller holds the session's lock.

    Branches and their commits stay. NeedsPerson when a process still works in there.
    """
    if not directory.is_dir():
        return
    _wait_for_death(directory)
    for worktree in list_worktrees(repository):
        if worktree.is_ours and Path(os.path.realpath(worktree.path)).parent == Path(os.path.realpath(directory)):
            remove_worktree(repository, worktree.path)
    for path in directory.iterdir():
        if not _OURS.match(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            _remove(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def processes_in(directory: Path) -> tuple[int, ...]:
    """The processes whose working directory lies in a directory, as far as the system tells."""
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


def _remove(path: Path) -> None:
    """Remove a directory, also where a test left parts that may not be written."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for part in path.rglob("*"):
            if part.is_dir() and not part.is_symlink():
                with contextlib.suppress(OSError):
                    part.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
