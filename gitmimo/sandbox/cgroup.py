"""A hard stop for the number of processes where the kernel's per-user limit does not count: as root."""

import contextlib
import os
import re
import secrets
import signal
import time
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/pids")
_V2 = Path("/sys/fs/cgroup")
_REMOVAL_S = 1.0
_NAME = re.compile(r"mimo-(\d+)-(\d+)-(\d+)-[0-9a-f]{8}")


def make_group() -> Path | None:
    """Make a control group that can limit processes, and remove those whose git-mimo is dead.

    Entering a group takes the kernel 10 ms and more when it wasn't asked just before, so a process that starts many
    commands enters once. None: not root, or no group may be made here (in most containers). Then only sampling
    stops a fork bomb.
    """
    if os.geteuid() != 0:
        return None
    for parent in _parents():
        group = parent / f"mimo-{'-'.join(map(str, _identity(os.getpid())))}-{secrets.token_hex(4)}"
        try:
            remove_dead_groups(parent)
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            return group
        remove_group(group)
    return None


def limit_group(group: Path, processes: int) -> None:
    """Let the group hold at most so many processes; 0 means any number."""
    with contextlib.suppress(OSError):
        (group / "pids.max").write_text(f"{processes or 'max'}\n", encoding="ascii")


def remove_group(group: Path) -> None:
    """Remove a group whose processes have ended or are about to."""
    end = time.monotonic() + _REMOVAL_S
    while group.exists():
        try:
            group.rmdir()
        except OSError:  # its last process is still going
            if time.monotonic() > end:
                return
            time.sleep(0.005)


def remove_dead_groups(parent: Path) -> None:
    """Kill what is left in groups of a git-mimo that has ended, and remove them.

    A group's name says its owner: the PID namespace, the process and when that began. Those of another PID namespace
    stay, since nobody here can tell whether they are in use.
    """
    for group in parent.glob("mimo-*"):
        named = _NAME.fullmatch(group.name)
        if not named:
            continue
        owner = tuple(int(part) for part in named.groups())
        if owner[0] != _namespace() or _identity(owner[1]) == owner:
            continue
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGKILL)
        remove_group(group)


def _identity(pid: int) -> tuple[int, int, int]:
    """A process, and no other one that got its number later; the time is 0 when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return _namespace(), pid, 0
    return _namespace(), pid, int(fields[19])


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _parents() -> tuple[Path, ...]:
    """Where a group may be made: our own, in the old hierarchy of this controller, then in the unified one."""
    own = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, names, path = line.split(":", 2)
            own[names] = path.lstrip("/")
    return tuple(p for p in (_V1 / own.get("pids", ""), _V2 / own.get("", "")) if (p / "cgroup.procs").exists())
