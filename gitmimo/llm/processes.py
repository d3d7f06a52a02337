"""Processes: names that are not reused (pid, start time and boot), and how many cores they have."""

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def process_name(pid: int) -> str:
    """Name a running process; a later process with the same pid gets another name."""
    return f"{pid}:{_start_of(pid)}:{_boot()}"


def is_alive(name: str) -> bool:
    """Whether the named process still runs. A name of another form is nobody's."""
    pid, _, _ = name.partition(":")
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return process_name(int(pid)) == name
    return process_name(int(pid)) == name


def physical_cores() -> int:
    """Cores that this process may use, without counting hyper-threads twice."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for number in usable:
        folder = Path(f"/sys/devices/system/cpu/cpu{number}/topology")
        try:
            cores.add(((folder / "physical_package_id").read_text(), (folder / "core_id").read_text()))
        except OSError:
            cores.add(("", str(number)))
    return max(1, len(cores))


def _start_of(pid: int) -> str:
    """The start time in ticks since boot; empty where /proc does not tell it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()[:8]
    except OSError:
        return ""
