"""Commands under our own launcher: confined by landlock, or without protection and with limits only."""

import contextlib
import functools
import marshal
import os
import resource
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from gitmimo.errors import CheckError
from gitmimo.files import remove_tree
from gitmimo.records import CommandResult
from gitmimo.sandbox import confine
from gitmimo.sandbox.base import CommandSpec, Limits, check_work_tree, command_line, git_pointer, memory_file
from gitmimo.sandbox.policy import SandboxPolicy
from gitmimo.sandbox.seccomp import filter_program
from gitmimo.sandbox.supervise import run_process

_DEVICES = [f"/dev/{name}".encode() for name in ("null", "zero", "full", "random", "urandom", "tty")]
_LAUNCHER = (
    "import marshal, sys\nwith open(int(sys.argv[1]), 'rb') as file: code, request = marshal.load(file)\n"
    "exec(code)\nmain(request)"
)


class PlainSandbox:
    """Runs commands with limits and a scrubbed environment, and no protection.

    Covers: time, memory, file size, output, number of processes; nothing survives the command, unless it looks for the
    launcher and kills it. Does not cover: any file that the user may read or write, the network.
    """

    name = "none"
    gaps: tuple[str, ...] = (
        "files outside the work tree can be read and written",
        "the network is open",
        "the work tree's real git repository can be reached",
    )

    def __init__(self, policy: SandboxPolicy) -> None:
        self._policy = policy

    def run(self, spec: CommandSpec) -> CommandResult:
        """Run one command; see `Sandbox.run`."""
        with _private_temp(spec) as temp:
            env = {"HOME": str(self._policy.home), "TMPDIR": str(temp)}
            return _launch(spec, temp, {}, {**self._policy.env, **self._policy.network_env, **env})


class LandlockSandbox:
    """Runs commands confined by landlock, in new namespaces where the kernel grants them, without capabilities.

    Covers: reading anything but system directories, toolchains and what the command names, writing outside the work
    tree, TCP (all network with a network namespace), key rings, signals to processes outside. Does not cover what
    `gaps` says.
    """

    name = "landlock"

    def __init__(self, policy: SandboxPolicy, *, namespaces: bool) -> None:
        self._policy = policy
        self._namespaces = namespaces
        self._filter = filter_program()
        shut = (*policy.scratch, *policy.hidden, *policy.masked)
        read = [path for top in policy.readable for path in _without(top, shut)]
        self._read = [b"/proc", *map(os.fsencode, read)]
        self._closed = [place for place in policy.scratch if not _contains_any(place, read)]
        self.gaps: tuple[str, ...] = (
            "names, sizes and times of files outside can be seen; modes and times of own files outside can be changed",
            "services that listen on a socket with a path can be reached, except below `/run` and in closed homes",
            "/tmp is closed: programs must use TMPDIR",
        )
        if not self._filter:
            self.gaps += ("system calls are not filtered on this processor",)
        if not namespaces:
            self.gaps += (
                "UDP and raw network traffic is open",
                "other processes can be seen",
                "the agent's git does not work, because nothing can be mounted over `.git`",
                "/dev/shm and terminals are closed: semaphores of several processes do not work",
            )

    def run(self, spec: CommandSpec) -> CommandResult:
        """Run one command; see `Sandbox.run`."""
        with contextlib.ExitStack() as stack:
            temp = stack.enter_context(_private_temp(spec))
            home = temp / ".home"
            home.mkdir(exist_ok=True)
            pointer = stack.enter_context(_pointer(spec, mount=self._namespaces))
            env = {**self._policy.env, **(self._policy.network_env if spec.network else {})}
            env |= {"HOME": str(home), "TMPDIR": str(temp)}
            return _launch(spec, temp, {**self._confinement(spec, temp), "pointer": pointer}, env)

    def _confinement(self, spec: CommandSpec, temp: Path) -> dict[str, Any]:
        """The part of the launcher's request that says what the command may reach."""
        writable = [spec.work_tree, *spec.writable, temp, *([spec.private_git] if spec.private_git else [])]
        written = [path.resolve() for path in writable]
        read = [path.resolve() for path in spec.readable]
        return {
            "isolate": self._namespaces,
            "network": spec.network,
            "seccomp": self._filter,
            "read": [*self._read, *map(os.fsencode, read)],
            "write": [os.fsencode(path) for path in written],
            "cover": [os.fsencode(place) for place in self._closed if not _contains_any(place, (*read, *written))],
            "devices": _DEVICES,
        }


def _contains_any(directory: Path, paths: Iterable[Path]) -> bool:
    return any(path.is_relative_to(directory) for path in paths)


@functools.cache
def _launcher_code() -> CodeType:
    """What each request brings to the launcher, for an import there would take longer."""
    return compile(Path(confine.__file__).read_bytes(), confine.__file__, "exec", dont_inherit=True, optimize=2)


def _launch(spec: CommandSpec, temp: Path, confinement: Mapping[str, Any], env: Mapping[str, str]) -> CommandResult:
    check_work_tree(spec)
    with command_line(spec.command) as (argv, fds):
        request = {
            "argv": [os.fsencode(word) for word in argv],
            "env": {os.fsencode(k): os.fsencode(v) for k, v in {**env, **spec.env}.items()},
            "limits": _kernel_limits(spec.limits),
            **confinement,
        }
        with memory_file("request", marshal.dumps((_launcher_code(), request))) as fd:
            result = run_process(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(fd)],
                spec,
                cwd=(spec.cwd or spec.work_tree).resolve(),
                env={"LC_ALL": "C"},  # nothing but Python's start
                watched=[spec.work_tree, temp, *spec.writable],
                pass_fds=(fd, *fds),
            )
    if result.exit_code == 126 and result.output.startswith("git-mimo: "):
        raise CheckError(result.output.strip().removeprefix("git-mimo: "))
    return result


def _kernel_limits(limits: Limits) -> dict[int, int]:
    """The limits that the kernel holds for each process or user; a launcher can't go above our own."""
    wanted = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
    }
    own = {kind: resource.getrlimit(kind)[1] for kind in wanted}
    found = {kind: value if own[kind] < 0 else min(value, own[kind]) for kind, value in wanted.items() if value}
    return {resource.RLIMIT_CORE: 0, **found}


@contextlib.contextmanager
def _private_temp(spec: CommandSpec) -> Iterator[Path]:
    """The command's own temporary directory, or one that is removed afterwards."""
    if spec.temp:
        yield spec.temp.resolve()
        return
    path = Path(tempfile.mkdtemp(prefix="mimo-")).resolve()
    try:
        yield path
    finally:
        remove_tree(path, ignore_errors=True)


@contextlib.contextmanager
def _pointer(spec: CommandSpec, *, mount: bool) -> Iterator[list[tuple[bytes, bytes]]]:
    """What is to be mounted over `.git`: a pointer to the private repository."""
    text = git_pointer(spec)
    pointed = spec.work_tree.resolve() / ".git"
    if text is None or not mount or not pointed.is_file():
        yield []
        return
    with tempfile.NamedTemporaryFile(prefix="mimo-pointer-") as file:
        file.write(text)
        file.flush()
        yield [(os.fsencode(file.name), os.fsencode(pointed))]


def _without(top: Path, shut: Sequence[Path]) -> Iterator[Path]:
    """The largest paths from `top` down that contain no hidden path: a landlock rule can't make an exception."""
    if top in shut:
        return
    if not _contains_any(top, shut):
        yield top
        return
    with contextlib.suppress(OSError):
        for path in sorted(top.iterdir()):
            if not path.is_symlink():
                yield from _without(path, shut)
