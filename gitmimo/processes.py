"""Running processes: names that are never reused, what they have open, whole trees measured and ended."""

import contextlib
import os
import signal
import time
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_name(pid: int) -> str:
    """Name a running process by number, start time and boot; a later process of the same number gets another name."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = _BOOT.read_text().strip()[:8]
    return f"{pid}:{_start_of(pid)}:{boot}"


def is_alive(name: str) -> bool:
    """Whether the named process still runs. A name of another form, or of another boot, is nobody's."""
    pid, _, _ = name.partition(":")
    if not pid.isdigit():
        return False
    return bool(_start_of(int(pid))) and process_name(int(pid)) == name


def stop_process(name: str, sent: signal.Signals, *, wait_s: float) -> bool:
    """Send a signal to the named process and wait for its end; False when it still runs after `wait_s` seconds."""
    ends = time.monotonic() + wait_s
    if is_alive(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(name.partition(":")[0]), sent)
    while is_alive(name):
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    return True


def has_open(path: Path) -> bool:
    """Whether a process has the file open; False also where the system doesn't tell."""
    wanted = os.path.realpath(path)
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(handle.readlink()) == wanted:
                return True
    return False


def processes_in(directory: Path, *, program: str = "") -> tuple[int, ...]:
    """The processes, all or those of a program's name, that work in a directory or below, as far as we may know it."""
    top = directory.resolve()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_wanted = not program or (entry / "comm").read_text(errors="replace").strip() == program
            if is_wanted and (entry / "cwd").readlink().is_relative_to(top):
                found.append(int(entry.name))
    return tuple(found)


def descendants(root: int) -> list[int]:
    """All living processes below `root`, without it; empty where there is no `/proc`."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # the command's name stands in brackets and may hold anything, also brackets
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state not in (b"Z", b"X"):
                children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.pop(queue.pop(), [])
        found += below
        queue += below
    return found


def measure_tree(root: int) -> tuple[int, int]:
    """Count a process and everything below it, and their resident memory; shared pages count once per process."""
    pids = [root, *descendants(root)]
    return len(pids), sum(map(_resident, pids))


def proportional_memory(root: int) -> int:
    """Memory with shared pages divided among their users; slower than `measure_tree`."""
    return sum(_proportional(pid) for pid in [root, *descendants(root)])


def kill_tree(root: int) -> None:
    """SIGKILL everything below `root`, then its group and itself, again and again until nothing is left.

    Complete while `root` adopts orphans (a subreaper or the first process of a PID namespace); otherwise a process
    that left the group and whose parent has ended is not found.
    """
    end = time.monotonic() + 5
    while (below := descendants(root)) and time.monotonic() < end:
        for pid in below:
            _kill(pid)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)
    _kill(root)


def physical_cores() -> int:
    """Cores that this process may use, without counting hyper-threads twice; a container's quota counts too."""
    cores = set()
    for number in os.sched_getaffinity(0):
        folder = Path(f"/sys/devices/system/cpu/cpu{number}/topology")
        try:
            cores.add(((folder / "physical_package_id").read_text(), (folder / "core_id").read_text()))
        except OSError:
            cores.add(("", str(number)))
    return max(1, min(len(cores), cpu_quota(Path("/sys/fs/cgroup")) or len(cores)))


def cpu_quota(cgroups: Path, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """How many cores' worth of time the control group gets, rounded up; None without a limit (cgroup v2 only)."""
    try:
        name = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
        quota, period = (cgroups / name.lstrip("/") / "cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError, StopIteration):
        return None


def _start_of(pid: int) -> str:
    """The start time in ticks since boot; empty where /proc does not tell it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((Path("/proc") / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in (Path("/proc") / str(pid) / "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
