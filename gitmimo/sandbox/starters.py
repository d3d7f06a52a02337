"""The near side of the starters: one is lent for each running command, and kept for the next."""

import array
import atexit
import contextlib
import marshal
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.cgroup import limit_group, make_group, remove_group
from gitmimo.sandbox.proctree import kill_marked, kill_tree
from gitmimo.sandbox.starter import MOST_FDS, QUIT, RUN, SIZE, STATUS, STOP
from gitmimo.sandbox.supervise import follow

_ROOT = Path(__file__).resolve().parents[2]
# at the end of the path: nothing there may take the place of the standard library
_BOOT = "import sys; sys.path.append(sys.argv[1]); from gitmimo.sandbox.starter import main; main(sys.argv[2:])"
_MARKER = "GIT_MIMO_JOB"
_QUIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One command for a starter: argv and the whole environment that it begins with.

    With `options` the starter's fork is limited and confined by them; None starts a program that does so itself.
    `fds` are inherited under the same numbers.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    options: Mapping[str, Sequence[str]] | None = None
    fds: Sequence[int] = ()


def run_started(
    start: Start,
    *,
    kind: str,
    command: str,
    limits: Limits,
    watched: Sequence[Path] = (),
    cancelled: Callable[[], bool] | None = None,
) -> CommandResult:
    """Run a command without stdin, stdout and stderr as one stream, and leave nothing of it behind.

    Starters are kept apart by `kind`: what runs without protection could take hold of its own. As root a control
    group caps the number of processes, at twice the limit: sampling is what names it. When git-mimo is killed, the
    starter ends what runs. CheckError when no starter can be started.
    """
    with _lent(kind) as starter:
        starter.limit(2 * limits.processes)
        return follow(starter.begin(start), command=command, limits=limits, watched=watched, cancelled=cancelled)


def close_starters() -> None:
    """End those that are idle, and remove their control groups; the next command starts anew."""
    with _lock:
        idle = [starter for kind in _idle.values() for starter in kind]
        _idle.clear()
    for starter in idle:
        starter.quit()


_lock = threading.Lock()
_idle: dict[tuple[int, str], list["_Starter"]] = {}


@contextlib.contextmanager
def _lent(kind: str) -> Iterator["_Starter"]:
    key = (os.getpid(), kind)  # those of a process that forked belong to it
    with _lock:
        known = _idle.get(key)
        starter = known.pop() if known else None
    if starter is None or not starter.is_alive():
        starter = _Starter()
        atexit.unregister(close_starters)
        atexit.register(close_starters)
    try:
        yield starter
    finally:
        if starter.is_idle:
            with _lock:
                _idle.setdefault(key, []).append(starter)
        else:
            starter.drop()


class _Starter:
    """One resident process with its socket and its control group."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self._group = make_group()
        self._cap = 0
        self.is_idle = True
        arguments = [str(_ROOT), str(far.fileno()), str(self._group or "")]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, *arguments],
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(far.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            near.close()
            raise CheckError(f"cannot start `{sys.executable}`: {error.strerror}") from error
        finally:
            far.close()
        self._channel = near

    def is_alive(self) -> bool:
        """Whether it still runs; what remains of one that ended is put away."""
        if self._process.poll() is None:
            return True
        self.drop()
        return False

    def check_start(self) -> None:
        """CheckError when it ended by itself, which it never does once it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_QUIT_S)
            if code > 0:
                raise CheckError(f"commands cannot be started: `{sys.executable}` ended with exit code {code}")

    def limit(self, processes: int) -> None:
        """Cap how many processes the next command may have; 0 takes the cap away."""
        if self._group and processes != self._cap:
            limit_group(self._group, processes)
            self._cap = processes

    def begin(self, start: Start) -> "_Started":
        """Hand over a command."""
        marker = f"{_MARKER}={os.urandom(8).hex()}"
        env = {os.fsencode(name): os.fsencode(value) for name, value in start.env.items()}
        if start.options is not None:
            name, _, value = marker.partition("=")
            env[name.encode()] = value.encode()
        options = {name: [os.fsencode(v) for v in values] for name, values in (start.options or {}).items()}
        body = marshal.dumps(
            {
                "argv": [os.fsencode(word) for word in start.argv],
                "env": env,
                "cwd": os.fsencode(start.cwd),
                "options": None if start.options is None else options,
                "fds": [1, *start.fds],
                "name": os.fsencode(Path(start.argv[0]).name),
            }
        )
        output, inner = os.pipe()
        try:
            fds = array.array("i", [inner, *start.fds])
            if len(fds) > MOST_FDS:
                raise CheckError("too many descriptors for one command")
            self.is_idle = False
            try:
                self._channel.sendmsg([RUN], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
                self._channel.sendall(SIZE.pack(len(body)) + body)
            except OSError:
                pass  # it is gone; reading the status says so
        finally:
            os.close(inner)
        return _Started(self, self._channel, self._process.pid, output, marker)

    def quit(self) -> None:
        """Let an idle one go."""
        with contextlib.suppress(OSError):
            self._channel.sendall(QUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_QUIT_S)
        self.drop()

    def drop(self) -> None:
        """Put away one that can't be used any more."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
        if self._group:
            remove_group(self._group)


class _Started:
    """A command that a starter runs; see `process.Child`."""

    def __init__(self, starter: _Starter, channel: socket.socket, root: int, output: int, marker: str) -> None:
        self._starter = starter
        self._channel = channel
        self._marker = marker
        self._status: int | None = None
        self.root = root
        self.output = output
        self.end = channel.fileno()

    def poll(self) -> int | None:
        """The exit code once all has ended; 137 when the starter itself was killed. CheckError when it never ran."""
        if self._status is None:
            try:
                said = self._channel.recv(STATUS.size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                said = b""
            self._starter.is_idle = len(said) == STATUS.size
            self._status = STATUS.unpack(said)[0] if self._starter.is_idle else 137
            if not self._starter.is_idle:
                kill_marked(self._marker)
                self._starter.check_start()
        return self._status

    def ask_to_end(self) -> None:
        """SIGTERM for the command, and SIGKILL for all a second later."""
        with contextlib.suppress(OSError):
            self._channel.sendall(STOP)

    def kill(self) -> None:
        """SIGKILL for everything and the starter."""
        kill_tree(self.root)
        kill_marked(self._marker)
        self._starter.is_idle = False
        self._status = 137

    def close(self) -> None:
        """Close the near end of the output."""
        os.close(self.output)
