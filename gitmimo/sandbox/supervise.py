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
from typing import Protocol

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.capture import HeadTailBuffer
from gitmimo.sandbox.limits import Watch
from gitmimo.sandbox.proctree import kill_tree

GRACE_S = 0.2  # how long output of a child that outlived the main process is still read
_TERM_S = 2.5  # between SIGTERM and SIGKILL
_TICK_S = 0.05
_CHUNK = 1 << 16


class Child(Protocol):
    """A process that was started, by us or by a starter."""

    root: int  # it and all below it are watched for limits
    output: int  # descriptor of its stdout and stderr
    end: int  # descriptor that can be read when it has ended; -1 where there is none

    def poll(self) -> int | None:
        """The exit code as a shell says it, once it has ended."""

    def ask_to_end(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL for everything it started, and wait."""

    def close(self) -> None:
        """Let go of the descriptors."""


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

    CheckError when argv cannot be started.
    """
    child = _Own(_start(argv, cwd=cwd, env=env, pass_fds=pass_fds))
    return follow(child, command=command, limits=limits, watched=watched, cancelled=cancelled)


def follow(
    child: Child,
    *,
    command: str,
    limits: Limits,
    watched: Sequence[Path] = (),
    cancelled: Callable[[], bool] | None = None,
) -> CommandResult:
    """Read what a child says until it has ended or passed a limit; `command` is what the result calls it.

    A child that keeps stdout open delays the return by the grace time only. At a limit the process gets SIGTERM and
    soon after its whole tree SIGKILL.
    """
    started = time.monotonic()
    capture = HeadTailBuffer(limits.capture_bytes)
    state = _State()
    try:
        _follow(child, capture, state, limits, Watch(child.root, limits, watched), cancelled)
    finally:
        # also on an exception or interrupt: nothing survives this call
        if child.poll() is None:
            _end(child, capture)
        child.close()
    return CommandResult(
        command=command,
        exit_code=child.poll() or 0,
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


class _Own:
    """A child of this process, in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        self._process = process
        self._stdout = process.stdout
        self.root = process.pid
        self.output = process.stdout.fileno()
        self.end = -1
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.end = os.pidfd_open(process.pid)

    def poll(self) -> int | None:
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def ask_to_end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        kill_tree(self._process.pid)
        self._process.wait()

    def close(self) -> None:
        self._stdout.close()
        if self.end >= 0:
            os.close(self.end)


def _follow(
    child: Child,
    capture: HeadTailBuffer,
    state: _State,
    limits: Limits,
    watch: Watch,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Read until the main process ends or a limit is passed, then end what is left."""
    deadline = time.monotonic() + limits.timeout_s if limits.timeout_s else float("inf")
    with _Reader(child) as reader:
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
                _end(child, capture)
                return
        grace = time.monotonic() + GRACE_S
        while reader.is_open and time.monotonic() < grace:
            reader.read_for(0.02, capture)


class _Reader:
    """Reads a process's output without ever blocking on it, and learns at once when the main process ends."""

    def __init__(self, child: Child) -> None:
        self._child = child
        os.set_blocking(child.output, False)
        self.is_open = True
        self.ended = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(child.output, selectors.EVENT_READ)
        if child.end >= 0:
            self._selector.register(child.end, selectors.EVENT_READ)

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def read_for(self, seconds: float, capture: HeadTailBuffer) -> None:
        """Take what comes within the time; return early when something came or the process ended."""
        if self._child.end < 0:
            seconds = min(seconds, 0.01)
        for key, _ in self._selector.select(seconds):
            if key.fd == self._child.output:
                self._take(capture)
        if not self.ended and self._child.poll() is not None:
            self.ended = True
            if self._child.end >= 0:
                self._selector.unregister(self._child.end)

    def _take(self, capture: HeadTailBuffer) -> None:
        for _ in range(64):  # a flood must not keep us from looking at the limits
            try:
                chunk = os.read(self._child.output, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                self.is_open = False
                self._selector.unregister(self._child.output)
                return
            capture.feed(chunk)


def _end(child: Child, capture: HeadTailBuffer) -> None:
    """SIGTERM, a moment to tidy up, SIGKILL for all; what it says meanwhile is kept."""
    child.ask_to_end()
    end = time.monotonic() + _TERM_S
    while child.poll() is None and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(child.output, _CHUNK):
                capture.feed(chunk)
                if time.monotonic() > end:
                    break
        time.sleep(0.005)
    if child.poll() is None:
        child.kill()
