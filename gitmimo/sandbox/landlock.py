"""Commands under our own launcher: landlock where asked for, always limits and the end of every child."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.policy import SandboxPolicy, network_variables
from gitmimo.sandbox.shell import command_line
from gitmimo.sandbox.starters import Start, run_started
from gitmimo.sandbox.supervise import named_memory_limit, shown

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")


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

    def __init__(self, profile: SandboxPolicy, environ: Mapping[str, str]) -> None:
        self._profile = profile
        self._network = network_variables(environ)

    def run(self, job: CommandSpec) -> CommandResult:
        """Run one command; see `Sandbox.run`."""
        with _private_temp(job) as temp:
            env = {"HOME": str(self._profile.home), "TMPDIR": str(temp)}
            return _launch(self.name, job, temp, {}, {**self._profile.env, **self._network, **env})


class LandlockSandbox:
    """Runs commands confined by landlock, in new namespaces where the kernel grants them, without capabilities.

    Covers: reading homes and temporary directories, writing outside the work tree, TCP (all network with a network
    namespace), signals to processes outside. Does not cover what `gaps` says.
    """

    name = "landlock"

    def __init__(self, profile: SandboxPolicy, environ: Mapping[str, str], *, namespaces: bool) -> None:
        self._profile = profile
        self._network = network_variables(environ)
        self._namespaces = namespaces
        self._read = [*_outside(Path("/"), (*profile.hidden, *profile.masked)), *profile.readable]
        self._closed = [place for place in profile.hidden if not _holds(place, self._read)]
        self.gaps: tuple[str, ...] = (
            "names, sizes and times of files outside can be seen, and those of own files changed",
            "services that listen on a socket with a path can be reached, except below `/run`",
            "/tmp is closed: programs must use TMPDIR",
        )
        if not namespaces:
            self.gaps += (
                "UDP and raw network traffic is open",
                "other processes can be seen",
                "the agent's git does not work, because nothing can be bound over `.git`",
            )

    def run(self, job: CommandSpec) -> CommandResult:
        """Run one command; see `Sandbox.run`."""
        with contextlib.ExitStack() as stack:
            temp = stack.enter_context(_private_temp(job))
            home = temp / ".home"
            home.mkdir(exist_ok=True)
            options = self._options(job, temp) | stack.enter_context(_pointer(job, bind=self._namespaces))
            env = {**self._profile.env, **(self._network if job.network else {})}
            env |= {"HOME": str(home), "TMPDIR": str(temp)}
            return _launch(self.name, job, temp, options, env)

    def _options(self, job: CommandSpec, temp: Path) -> dict[str, list[str]]:
        writable = [job.work_tree, *job.writable, temp, *([job.private_git] if job.private_git else [])]
        written = [path.resolve() for path in writable]
        read = [path.resolve() for path in job.readable]
        return {
            "landlock": ["1"],
            **({"isolate": ["1"]} if self._namespaces else {}),
            **({} if job.network else {"no-network": ["1"]}),
            "ro": [str(path) for path in (*self._read, *read)],
            "rw": [*(str(path) for path in written), "/dev/shm"],
            "hide": [str(place) for place in self._closed if not _holds(place, (*read, *written))],
            "dev": [f"/dev/{name}" for name in _DEVICES],
        }


def _holds(place: Path, paths: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for path in paths)


def _launch(
    kind: str, job: CommandSpec, temp: Path, options: Mapping[str, Sequence[str]], env: Mapping[str, str]
) -> CommandResult:
    cwd = (job.cwd or job.work_tree).resolve()
    if not cwd.is_dir():
        raise CheckError(f"no such directory to run a command in: `{cwd}`")
    with command_line(job.command) as line:
        result = run_started(
            Start(
                argv=line.argv,
                env={**env, **job.env},
                cwd=cwd,
                options={**options, **_limits(job.limits)},
                fds=line.fds,
            ),
            kind=kind,
            command=shown(job.command),
            limits=job.limits,
            watched=[job.work_tree, temp, *job.writable],
            cancelled=job.cancelled,
        )
    if result.exit_code == 126 and result.output.startswith("git-mimo: "):
        raise CheckError(result.output.strip().removeprefix("git-mimo: "))
    return named_memory_limit(result)


def _limits(limits: Limits) -> dict[str, list[str]]:
    wanted = {"data": limits.memory_bytes, "nproc": limits.processes, "fsize": limits.file_bytes}
    return {name: [str(value)] for name, value in wanted.items() if value}


@contextlib.contextmanager
def _private_temp(job: CommandSpec) -> Iterator[Path]:
    """The job's own temporary directory, or one for this command."""
    if job.temp:
        yield job.temp.resolve()
        return
    path = Path(tempfile.mkdtemp(prefix="mimo-")).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _pointer(job: CommandSpec, *, bind: bool) -> Iterator[dict[str, list[str]]]:
    """Options that bind a pointer to the private repository over `.git`."""
    place = job.work_tree.resolve() / ".git"
    if job.private_git is None:
        yield {}
        return
    text = b"gitdir: " + os.fsencode(job.private_git.resolve()) + b"\n"
    if not place.exists() and not place.is_symlink():
        place.write_bytes(text)
    if not bind or not place.is_file():
        yield {}
        return
    with tempfile.NamedTemporaryFile(prefix="mimo-pointer-") as file:
        file.write(text)
        file.flush()
        yield {"pointer": [file.name], "pointer-at": [str(place)]}


def _outside(top: Path, hidden: Sequence[Path]) -> Iterator[Path]:
    """The largest directories below `top` that hold no hidden place; devices are named one by one elsewhere."""
    for path in sorted(top.iterdir()):
        if path == Path("/dev") or path in hidden or path.is_symlink():
            continue
        if any(place.is_relative_to(path) for place in hidden):
            with contextlib.suppress(OSError):
                yield from _outside(path, hidden)
        else:
            yield path
