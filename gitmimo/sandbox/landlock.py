"""Commands under our own launcher: confined by landlock, or without protection and with limits only."""

import contextlib
import marshal
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.files import remove_tree
from gitmimo.processes import kill_marked
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import (
    CommandSpec,
    check_work_tree,
    command_line,
    git_pointer,
    memory_file,
)
from gitmimo.sandbox.policy import SandboxPolicy
from gitmimo.sandbox.seccomp import filter_program
from gitmimo.sandbox.supervise import run_process

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LAUNCHER = (
    sys.executable, "-I", "-S", "-c",
    "import sys; sys.path.insert(0, sys.argv[1]); from gitmimo.sandbox.confine import main; main(int(sys.argv[2]))",
    str(Path(__file__).parents[2]),
)  # fmt: skip
_MARKER = "GIT_MIMO_COMMAND"


class PlainSandbox:
    """Runs commands with limits and a scrubbed environment, and no protection.

    Covers: time, memory, file size, output, number of processes; nothing survives the command, unless it cleared its
    environment and killed the launcher. Does not cover: any file that the user may read or write, the network.
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
            return _launch(self.name, spec, temp, {}, {**self._policy.env, **self._policy.network_env, **env})


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
        self._read = [path for top in policy.readable for path in _without(top, shut)]
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
            options = self._options(spec, temp) | stack.enter_context(_pointer(spec, mount=self._namespaces))
            env = {**self._policy.env, **(self._policy.network_env if spec.network else {})}
            env |= {"HOME": str(home), "TMPDIR": str(temp)}
            return _launch(self.name, spec, temp, options, env)

    def _options(self, spec: CommandSpec, temp: Path) -> dict[str, list[str | bytes]]:
        writable = [spec.work_tree, *spec.writable, temp, *([spec.private_git] if spec.private_git else [])]
        written = [path.resolve() for path in writable]
        read = [*self._read, *(path.resolve() for path in spec.readable)]
        covered = [directory for directory in self._policy.scratch if not _contains_any(directory, (*read, *written))]
        return {
            "landlock": [""],
            **({"isolate": [""]} if self._namespaces else {}),
            **({} if spec.network else {"no-network": [""]}),
            **({"seccomp": [self._filter]} if self._filter else {}),
            "ro": ["/proc", *(str(path) for path in read)],
            "rw": [str(path) for path in written],
            "cover": [str(directory) for directory in covered],
            "dev": [f"/dev/{name}" for name in _DEVICES],
        }


def _contains_any(directory: Path, paths: Iterable[Path]) -> bool:
    return any(path.is_relative_to(directory) for path in paths)


def _launch(
    kind: str, spec: CommandSpec, temp: Path, options: Mapping[str, Sequence[str | bytes]], env: Mapping[str, str]
) -> CommandResult:
    check_work_tree(spec)
    marker = f"{kind}-{secrets.token_hex(8)}"
    limits = {"data": spec.limits.memory_bytes, "nproc": spec.limits.processes, "fsize": spec.limits.file_bytes}
    options = {**options, **{name: [str(value)] for name, value in limits.items() if value}}
    with command_line(spec.command) as (argv, fds):
        request = {
            "argv": [os.fsencode(word) for word in argv],
            "env": {os.fsencode(k): os.fsencode(v) for k, v in {**env, **spec.env, _MARKER: marker}.items()},
            "options": {
                name: [value if isinstance(value, bytes) else os.fsencode(value) for value in values]
                for name, values in options.items()
            },
        }
        with memory_file("request", marshal.dumps(request)) as fd:
            result = run_process(
                [*_LAUNCHER, str(fd)],
                spec,
                cwd=(spec.cwd or spec.work_tree).resolve(),
                env={},
                watched=[spec.work_tree, temp, *spec.writable],
                pass_fds=(fd, *fds),
            )
    if result.exit_code == 137:  # perhaps the launcher was killed, and its children have no parent now
        kill_marked(f"{_MARKER}={marker}")
    if result.exit_code == 126 and result.output.startswith("git-mimo: "):
        raise CheckError(result.output.strip().removeprefix("git-mimo: "))
    return result


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
def _pointer(spec: CommandSpec, *, mount: bool) -> Iterator[dict[str, list[str | bytes]]]:
    """Options that mount a pointer to the private repository over `.git`."""
    text = git_pointer(spec)
    pointed = spec.work_tree.resolve() / ".git"
    if text is None or not mount or not pointed.is_file():
        yield {}
        return
    with tempfile.NamedTemporaryFile(prefix="mimo-pointer-") as file:
        file.write(text)
        file.flush()
        yield {"pointer": [file.name], "pointer-at": [str(pointed)]}


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
