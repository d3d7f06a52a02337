"""Keep `git gc` out, by git's own lock of it, while new objects wait for their refs.

A prune removes whatever it did not find reachable when it began, also what has got a ref since then. So while a command
of ours writes, `gc.pid` says that a gc is running: the user's then ends at once and says so, and the automatic one does
nothing. A killed holder keeps nobody out, since git looks whether the process lives.

Not covered: `git prune` typed by hand, `gc --force`, and a gc that had begun before and takes more than a few seconds.
"""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from gitmimo.files import FileLock, is_locked, write_file
from gitmimo.git.repository import Repository

_WAIT_S = 10.0  # for a gc that runs already; the automatic one spares what is younger than two weeks
_GIT_BELIEVES_S = 12 * 3600
_ANOTHER_HOST = -1


@contextlib.contextmanager
def hold_off_gc(repository: Repository) -> Iterator[None]:
    """Keep gc out of the repository in the meantime; blocks may be nested, in several threads and processes."""
    with repository.gc_lock:
        is_first = not repository.gc_marks
        mark = FileLock(_marks(repository) / f"{os.getpid()}.{secrets.token_hex(4)}")
        mark.acquire(wait_s=1.0)  # somebody who asks whether it is held holds it for an instant
        repository.gc_marks.append(mark)
        limit = time.monotonic() + (_WAIT_S if is_first else 0)
        while not _claim(repository) and time.monotonic() < limit:
            time.sleep(0.05)
    try:
        yield
    finally:
        with repository.gc_lock:
            repository.gc_marks.remove(mark)
            mark.path.unlink(missing_ok=True)
            mark.release()
            _hand_over(repository)


def _claim(repository: Repository) -> bool:
    """Write our process into `gc.pid`; False while somebody else's gc runs or begins."""
    path = repository.common_dir / "gc.pid"
    lock = path.with_name("gc.pid.lock")  # held by a gc from before it looks at `gc.pid` until it has written it
    if lock.exists():
        return False
    holder = _holder(path)
    if holder is not None:
        return holder in _writers(repository)
    try:
        write_file(path, f"{os.getpid()} {socket.gethostname()}", mode=0o644)
    except OSError:  # a full disk: what comes next says so better
        return True
    return not lock.exists() and _holder(path) == os.getpid()


def _hand_over(repository: Repository) -> None:
    """Give `gc.pid` to another process of ours that still writes, or remove it."""
    path = repository.common_dir / "gc.pid"
    writers = _writers(repository)
    if _holder(path) != os.getpid() or os.getpid() in writers:
        return
    with contextlib.suppress(OSError):
        if writers:
            write_file(path, f"{min(writers)} {socket.gethostname()}", mode=0o644)
        else:
            path.unlink()


def _holder(path: Path) -> int | None:
    """The process whose gc git would believe to be running; None without one."""
    try:
        is_recent = time.time() - path.stat().st_mtime <= _GIT_BELIEVES_S
        pid, _, host = path.read_text(errors="replace").partition(" ")
    except OSError:
        return None
    if not is_recent or not pid.isdigit() or not host:
        return None
    if host.strip() != socket.gethostname():
        return _ANOTHER_HOST
    return int(pid) if Path("/proc", pid).exists() else None


def _writers(repository: Repository) -> set[int]:
    """The processes of ours that write into this repository now."""
    found = set()
    for mark in _marks(repository).glob("*.*"):
        if is_locked(mark):
            found.add(int(mark.name.partition(".")[0]))
        elif time.time() - mark.stat().st_mtime > _GIT_BELIEVES_S:
            mark.unlink(missing_ok=True)  # of a killed process
    return found


def _marks(repository: Repository) -> Path:
    return repository.state_dir / "writers"
