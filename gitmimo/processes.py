"""Running processes: names that are never reused, what they have open, where they work, and the cores they may use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Process(NamedTuple):
    """One process of this machine as the system lists it."""

    pid: int
    words: tuple[str, ...]  # the command line
    directory: Path


def process_name(pid: int) -> str:
    """Name a running process by number, start time and boot; a later process of the same number gets another name."""
    return f"{pid}:{_start_of(pid)}:{boot_name()}"


def is_alive(name: str) -> bool:
    """Whether the named process still runs. A name of another form, or of another boot, is nobody's."""
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


def boot_name() -> str:
    """The beginning of this boot's id; empty where the system doesn't tell it."""
    try:
        return _BOOT.read_text().strip()[:8]
    except OSError:
        return ""


def has_open(path: Path) -> bool:
    """Whether a process has the file open; False also where the system doesn't tell."""
    wanted = os.path.realpath(path)
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(handle.readlink()) == wanted:
                return True
    return False


def list_processes(program: str) -> Iterator[Process]:
    """Yield the processes that run a program of this name and whose working directory may be known to us."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text(errors="replace").strip() == program:
                words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                yield Process(int(entry.name), tuple(map(os.fsdecode, words)), (entry / "cwd").readlink())


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
