"""A hard stop for the number of processes where the kernel's per-user limit does not count: as root."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/pids")
_V2 = Path("/sys/fs/cgroup")
_REMOVAL_S = 1.0


@contextlib.contextmanager
def process_cap(limit: int, *, root: Path | None = None) -> Iterator[Path | None]:
    """Make a control group that holds at most `limit` processes, and remove it afterwards.

    Gives the file that a process writes its id to in order to enter, or None: nothing to limit, not root, or no
    control group that may be made here (in most containers). Then only sampling stops a fork bomb.
    """
    group = _make(limit, root) if limit and os.geteuid() == 0 else None
    try:
        yield group / "cgroup.procs" if group else None
    finally:
        if group:
            _remove(group)


def entering(procs: Path | None, argv: list[str]) -> list[str]:
    """The command, which first enters the group; its process id stays the same."""
    return ["/bin/sh", "-c", 'echo $$ > "$0"; exec "$@"', str(procs), *argv] if procs else argv


def _make(limit: int, root: Path | None) -> Path | None:
    for parent in (root,) if root else _parents():
        group = parent / f"mimo-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / "pids.max").write_text(f"{limit}\n", encoding="ascii")
        except OSError:
            _remove(group)
            continue
        return group
    return None


def _parents() -> tuple[Path, ...]:
    """Where a group may be made: our own, in the old hierarchy of this controller, then in the unified one."""
    own = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, names, path = line.split(":", 2)
            own[names] = path.lstrip("/")
    return tuple(p for p in (_V1 / own.get("pids", ""), _V2 / own.get("", "")) if (p / "cgroup.procs").exists())


def _remove(group: Path) -> None:
    end = time.monotonic() + _REMOVAL_S
    while group.exists():
        try:
            group.rmdir()
        except OSError:  # its last process is still going
            if time.monotonic() > end:
                return
            time.sleep(0.005)
