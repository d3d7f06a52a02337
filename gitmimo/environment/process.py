"""One child process from start to end: its own session, bounded capture, limits, and nothing left behind."""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.environment.capture import BoundedCapture
from gitmimo.environment.command import Limits
from gitmimo.environment.proctree import kill_tree
from gitmimo.environment.watch import Watch
from gitmimo.errors import CheckError
from gitmimo.records import CommandResult

GRACE_S = 0.2  # how long output of a child that outlived the main process is still read
_TERM_S = 1.5  # between SIGTERM and SIGKILL
_TICK_S = 0.05
_CHUNK = 1 << 16


@dataclass(slots=True)
class _State:
    """What happened to a running process so far."""

    timed_out: bool = False
    killed_by: str = ""


def run_process(
    argv: Sequence[str],
    *,
    command: str,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    watched: Sequence[Path] = (),
    pass_fds: Sequence[int] = (),
    cancelled: Callable[[], bool] | None = None,
) -> CommandResult:
    """Run argv without stdin, stdout and stderr as one stream, and return when its main process has ended.

    A child that keeps stdout open delays the return by the grace time only. At a limit the process gets SIGTERM and
    soon after its whole tree SIGKILL. The calling thread lives as long as the child: a death signal that the child
    asked for follows the thread. `command` is what the result calls it. CheckError when argv cannot be started.
    """
    started = time.monotonic()
    process = _start(argv, cwd=cwd, env=env, pass_fds=pass_fds)
    capture = BoundedCapture(limits.capture_bytes)
    state = _State()
    try:
        _follow(process, capture, state, limits, Watch(process.pid, limits, watched), cancelled)
    finally:
        # also on an exception or interrupt: nothing survives this call
        if process.poll() is None:
            _end(process, capture)
        assert process.stdout
        process.stdout.close()
    return CommandResult(
        command=command,
        exit_code=_exit_code(process.returncode),
        output=capture.text(),
        seconds=time.monotonic() - started,
        timed_out=state.timed_out,
        truncated=capture.left_out > 0,
        killed_by_limit=state.killed_by,
    )


def named_memory_limit(result: CommandResult) -> CommandResult:
    """Name the memory limit when a command failed because the kernel refused it memory at its own limit."""
    signs = ("MemoryError", "Cannot allocate memory", "out of memory", "OutOfMemoryError", "std::bad_alloc")
    if result.exit_code == 0 or result.killed_by_limit or not any(s in result.output[-4000:] for s in signs):
        return result
    return replace(result, killed_by_limit="memory")


def shown(command: str | Sequence[str]) -> str:
    """The command as one line for people."""
    return command if isinstance(command, str) else shlex.join(command)


def _start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CheckError(f"cannot start `{argv[0]}` in `{cwd}`: {(reason or '').lower()}") from error


def _follow(
    process: subprocess.Popen[bytes],
    capture: BoundedCapture,
    state: _State,
    limits: Limits,
    watch: Watch,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Read until the main process ends or a limit is passed, then end what is left."""
    deadline = time.monotonic() + limits.timeout_s if limits.timeout_s else float("inf")
    with _Reader(process) as reader:
        while not reader.ended:
            reader.read_for(min(_TICK_S, max(0.0, deadline - time.monotonic())), capture)
            if reader.ended:
                break
            if time.monotonic() >= deadline:
                state.timed_out = True
            elif limits.output_bytes and capture.total > limits.output_bytes:
                state.killed_by = "output"
            elif cancelled and cancelled():
                state.killed_by = "cancelled"
            else:
                state.killed_by = watch.passed_limit()
            if state.timed_out or state.killed_by:
                _end(process, capture)
                return
        grace = time.monotonic() + GRACE_S
        while reader.is_open and time.monotonic() < grace:
            reader.read_for(0.02, capture)


class _Reader:
    """Reads a process's output without ever blocking on it, and learns at once when the main process ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        self._process = process
        self._fd = process.stdout.fileno()
        os.set_blocking(self._fd, False)
        self.is_open = True
        self.ended = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, selectors.EVENT_READ)
        self._pidfd = -1
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(process.pid)
                self._selector.register(self._pidfd, selectors.EVENT_READ)

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def read_for(self, seconds: float, capture: BoundedCapture) -> None:
        """Take what comes within the time; return early when something came or the process ended."""
        if self._pidfd < 0:
            seconds = min(seconds, 0.01)
        for key, _ in self._selector.select(seconds):
            if key.fd == self._fd:
                self._take(capture)
        if not self.ended and self._process.poll() is not None:
            self.ended = True
            if self._pidfd >= 0:
                self._selector.unregister(self._pidfd)

    def _take(self, capture: BoundedCapture) -> None:
        for _ in range(64):  # a flood must not keep us from looking at the limits
            try:
                chunk = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self.is_open = False
                self._selector.unregister(self._fd)
                return
            capture.feed(chunk)


def _end(process: subprocess.Popen[bytes], capture: BoundedCapture) -> None:
    """SIGTERM, a moment to tidy up, SIGKILL for all; what it says meanwhile is kept."""
    assert process.stdout
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    end = time.monotonic() + _TERM_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(process.stdout.fileno(), _CHUNK):
                capture.feed(chunk)
                if time.monotonic() > end:
                    break
        time.sleep(0.005)
    if process.poll() is None:
        kill_tree(process.pid)
        process.wait()


def _exit_code(returncode: int) -> int:
    """As a shell says it: 128 + the signal's number."""
    return 128 - returncode if returncode < 0 else returncode
