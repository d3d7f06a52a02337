"""Run one child process: in its own session, with bounded output and limits, leaving no process behind.

Limits that the kernel does not enforce for a whole process tree (processes, memory, disk) are checked by sampling.
"""

import contextlib
import os
import selectors
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.processes import kill_tree, measure_tree, proportional_memory
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits

_GRACE_S = 0.2  # how long output of a child that outlived the main process is still read
_TICK_S = 0.05
_CHUNK = 1 << 16
_EAGER_S = 0.05  # between samples during the first seconds, when a bomb would go off
_CALM_S = 0.5
_EAGER_UNTIL_S = 3.0
_FREE_FLOOR = 256 << 20  # below this much free space everything else is in danger


def run_process(
    argv: Sequence[str],
    spec: CommandSpec,
    *,
    cwd: Path,
    env: Mapping[str, str],
    watched: Sequence[Path] = (),
    pass_fds: Sequence[int] = (),
) -> CommandResult:
    """Run argv for a command, without stdin, stdout and stderr as one stream, until its main process has ended.

    Of the command its limits, its name and its cancellation count here; `watched` directories count for the limits on
    disk. A child that keeps stdout open delays the return by the grace time only. At a limit the process and everything
    below it get SIGKILL. CheckError when argv cannot be started.
    """
    started = time.monotonic()
    process = _start(argv, cwd=cwd, env=env, pass_fds=pass_fds)
    running = _Running(process, spec.limits)
    stopped_by = ""
    try:
        stopped_by = running.read_to_end(LimitMonitor(process.pid, spec.limits, watched), spec.cancelled)
    finally:
        running.close()  # also on an exception or interrupt: nothing survives this call
    return CommandResult(
        command=spec.command if isinstance(spec.command, str) else shlex.join(spec.command),
        exit_code=running.exit_code,
        output=running.output.text(),
        seconds=time.monotonic() - started,
        timed_out=stopped_by == "time",
        truncated=running.output.left_out > 0,
        killed_by_limit="" if stopped_by == "time" else stopped_by,
    )


def _start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CheckError(f"cannot start `{argv[0]}` in `{cwd}`: {(reason or '').lower()}") from error


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
        processes, memory = measure_tree(self._root)
        if limits.processes and processes > limits.processes:
            return "processes"
        is_over = limits.memory_bytes and memory > limits.memory_bytes
        return "memory" if is_over and proportional_memory(self._root) > limits.memory_bytes else ""

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


class _Running:
    """A started process, its output read without ever blocking on it."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        assert process.stdout
        self.pid = process.pid
        self.output = HeadTailBuffer(limits.capture_bytes)
        self._process = process
        self._limits = limits
        self._stdout = process.stdout
        self._is_open = True
        os.set_blocking(process.stdout.fileno(), False)
        self._ended = os.pidfd_open(process.pid)  # readable when the process has ended
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)

    @property
    def exit_code(self) -> int:
        """As a shell says it: 128 + the number of a signal."""
        code = self._process.returncode or 0
        return 128 - code if code < 0 else code

    def read_to_end(self, monitor: LimitMonitor, cancelled: Callable[[], bool] | None) -> str:
        """Read until the main process ends or a limit is passed; return the limit, `cancelled` or nothing."""
        deadline = time.monotonic() + self._limits.timeout_s if self._limits.timeout_s else float("inf")
        while not self._read_for(min(_TICK_S, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return "time"
            if self._limits.output_bytes and self.output.total > self._limits.output_bytes:
                return "output"
            if cancelled and cancelled():
                return "cancelled"
            if passed := monitor.exceeded():
                return passed
        grace = time.monotonic() + _GRACE_S
        while self._is_open and time.monotonic() < grace:
            self._read_for(0.02)
        return ""

    def close(self) -> None:
        """SIGKILL for the process and all below it if it still runs; then let go of the descriptors."""
        if self._process.poll() is None:
            kill_tree(self.pid)
            self._process.wait()
            self._read_for(0)
        self._selector.close()
        self._stdout.close()
        os.close(self._ended)

    def _read_for(self, seconds: float) -> bool:
        """Read for this time, return early after output; True when the process has ended."""
        for key, _ in self._selector.select(seconds):
            if key.fd != self._ended:
                self._take()
        return self._process.poll() is not None

    def _take(self) -> None:
        for _ in range(64):  # a flood must not keep us from looking at the limits
            try:
                chunk = os.read(self._stdout.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self._is_open = False
                self._selector.unregister(self._stdout)
                return
            self.output.feed(chunk)


class HeadTailBuffer:
    """Keeps the first and the last half of `limit` bytes; a limit of 0 keeps all."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._head, self._tail = bytearray(), bytearray()
        self._head_limit = limit // 2 if limit else 1 << 62
        self._tail_limit = limit - limit // 2

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total += len(chunk)
        room = max(0, self._head_limit - len(self._head))
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_limit:  # not with each chunk
            del self._tail[: -self._tail_limit]

    @property
    def left_out(self) -> int:
        """The number of bytes dropped between head and tail."""
        return max(0, self.total - len(self._head) - self._tail_limit)

    def text(self) -> str:
        """The kept output as text, with a line in the middle that says how much is missing."""
        if not self.left_out:
            return (self._head + self._tail).decode("utf-8", "replace")
        tail = self._tail[len(self._tail) - self._tail_limit :]
        left_out = f"\n[... {self.left_out} bytes left out ...]\n"
        return self._head.decode("utf-8", "replace") + left_out + tail.decode("utf-8", "replace")
