"""The processes under a process, read from `/proc`: who they are, what they use, and how to end all of them."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUse:
    """What a process and everything under it use now."""

    processes: int
    memory_bytes: int


def descendants(root: int) -> list[int]:
    """All living processes below `root`, without it; empty where there is no `/proc`."""
    children: dict[int, list[int]] = {}
    for pid, parent, state in _all_processes():
        if state not in "ZX":
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.pop(queue.pop(), [])
        found += below
        queue += below
    return found


def measure(root: int) -> TreeUse:
    """Count processes and resident memory; shared pages count once per process."""
    pids = [root, *descendants(root)]
    return TreeUse(processes=len(pids), memory_bytes=sum(_resident(pid) for pid in pids))


def proportional_memory(root: int) -> int:
    """Memory with shared pages divided among their users; slower than `measure`."""
    return sum(_proportional(pid) for pid in [root, *descendants(root)])


def kill_tree(root: int, *, patience_s: float = 5.0) -> None:
    """SIGKILL everything below `root`, then its group and itself, again and again until nothing is left.

    Complete while `root` adopts orphans (a subreaper or the first process of a PID namespace); otherwise a process
    that left the group and whose parent has ended is not found.
    """
    end = time.monotonic() + patience_s
    while (below := descendants(root)) and time.monotonic() < end:
        for pid in below:
            _kill(pid)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)
    _kill(root)


def kill_marked(marker: str) -> int:
    """SIGKILL every process whose start environment holds `marker` (`NAME=value`); return how many there were.

    Finds daemons that left their session and group; not those that emptied their environment before an exec.
    """
    wanted = marker.encode()
    killed = 0
    for pid, _, state in _all_processes():
        if state in "ZX" or pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                _kill(pid)
                killed += 1
    return killed


def _all_processes() -> list[tuple[int, int, str]]:
    found = []
    for name in os.listdir(_PROC) if _PROC.is_dir() else ():  # noqa: PTH208
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # the command's name stands in brackets and may hold anything, also brackets
            fields = file.read().rpartition(b")")[2].split()
            found.append((int(name), int(fields[1]), fields[0].decode()))
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
