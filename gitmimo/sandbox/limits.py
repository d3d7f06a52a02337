"""Limits that the kernel does not enforce for a whole process tree: processes, memory and disk, checked by sampling."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from gitmimo.processes import measure_tree, proportional_memory
from gitmimo.sandbox.base import Limits

_EAGER_S = 0.05  # between samples during the first seconds, when a bomb would go off
_CALM_S = 0.5
_EAGER_UNTIL_S = 3.0
_FREE_FLOOR = 256 << 20  # below this much free space everything else is in danger


class LimitMonitor:
    """Names the limit that a process tree has exceeded.

    Between two samples a tree can exceed a limit by what it can do in that time. Disk is judged by what became less on
    the file system of the writable directories and, when that is suspicious, by counting what is in them.
    """

    def __init__(self, root: int, limits: Limits, writable: Sequence[Path]) -> None:
        self._root = root
        self._limits = limits
        self._writable = [path for path in writable if path.is_dir()]
        self._started = time.monotonic()
        self._next = self._started + _EAGER_S
        self._before = [_free(path) for path in self._writable]
        self._next_count = 0.0

    def exceeded(self) -> str:
        """`processes`, `memory`, `disk` or nothing; cheap when asked too often."""
        now = time.monotonic()
        if now < self._next:
            return ""
        found = self._tree_exceeds() or self._disk_exceeds(now)
        spent = time.monotonic() - now
        pause = _EAGER_S if now - self._started < _EAGER_UNTIL_S else _CALM_S
        self._next = now + max(pause, 20 * spent)  # at most 5 % of one processor
        return found

    def _tree_exceeds(self) -> str:
        limits = self._limits
        use = measure_tree(self._root)
        if limits.processes and use.processes > limits.processes:
            return "processes"
        if (
            limits.memory_bytes
            and use.memory_bytes > limits.memory_bytes
            and proportional_memory(self._root) > limits.memory_bytes
        ):
            return "memory"
        return ""

    def _disk_exceeds(self, now: float) -> str:
        for path, before in zip(self._writable, self._before, strict=True):
            now_free = _free(path)
            if before is None or now_free is None:
                continue  # the command removed the directory
            free_bytes = now_free[0]
            lost_bytes, lost_files = before[0] - free_bytes, before[1] - now_free[1]
            if free_bytes < _FREE_FLOOR and lost_bytes > _FREE_FLOOR:
                return "disk"
            much = self._limits.disk_bytes and lost_bytes > self._limits.disk_bytes
            many = self._limits.disk_files and lost_files > self._limits.disk_files
            if (much or many) and now >= self._next_count:
                self._next_count = now + 10
                if self._exceeds_limit(path):
                    return "disk"
        return ""

    def _exceeds_limit(self, top: Path) -> bool:
        limits = self._limits
        size = files = 0
        for directory, _, names in os.walk(top):
            files += len(names)
            for name in names:
                with contextlib.suppress(OSError):
                    size += os.lstat(f"{directory}/{name}").st_blocks * 512
            if (limits.disk_bytes and size > limits.disk_bytes) or (limits.disk_files and files > limits.disk_files):
                return True
        return False


def _free(path: Path) -> tuple[int, int] | None:
    """Bytes and files that the file system still has room for; None where the directory is gone."""
    try:
        state = os.statvfs(path)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize, state.f_favail
