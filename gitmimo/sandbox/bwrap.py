"""Commands in bubblewrap: own namespaces, read-only system, hidden home, no capabilities, no network."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits
from gitmimo.sandbox.policy import SandboxPolicy, network_variables
from gitmimo.sandbox.shell import command_line
from gitmimo.sandbox.starters import Start, run_started
from gitmimo.sandbox.supervise import named_memory_limit, shown

_TEMP_BYTES = 2 << 30
_SHM_BYTES = 1 << 30
# The kernel checks writes to these by user id alone, so root without any capability could change the whole machine
_KERNEL_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "pressure")
_KERNEL_MASKED = ("kcore", "kmsg", "keys", "timer_list", "sched_debug")
# bash and its like call the limit of processes -u; there -p is another one
_LIMITER = (
    'case "$BASH_VERSION$ZSH_VERSION${KSH_VERSION#*MIRBSD*}" in "") ulimit -p "$3";; *) ulimit -u "$3";; esac; '
    'ulimit -c 0; ulimit -d "$1"; ulimit -f "$2"; shift 3; exec "$@"'
)


class BwrapSandbox:
    """Runs commands under bubblewrap.

    Covers: files outside the work tree and the kernel's settings are read-only, homes and temporary directories
    hidden, other processes invisible, no network but an own loopback, no capability, no way back to the terminal,
    everything ends with the command. Does not cover: system files that everybody may read, objects of the repository
    that no ref inside names but that git can list, the kernel's own bugs, and, as root without control groups, a
    limit of processes other than by sampling.
    """

    name = "bwrap"
    gaps: tuple[str, ...] = ()

    def __init__(self, program: Path, profile: SandboxPolicy, environ: Mapping[str, str]) -> None:
        self._program = program
        self._profile = profile
        self._network = network_variables(environ)

    def run(self, job: CommandSpec) -> CommandResult:
        """Run one command in a new sandbox; see `Sandbox.run`."""
        work_tree = job.work_tree.resolve()
        if not work_tree.is_dir():
            raise CheckError(f"no such directory to run a command in: `{job.work_tree}`")
        with contextlib.ExitStack() as stack:
            pointer = stack.enter_context(_pointer(job, work_tree))
            line = stack.enter_context(command_line(job.command))
            argv = [str(self._program), *self._arguments(job, work_tree, pointer), "--"]
            argv += [*_limited(job.limits), *line.argv]
            # bwrap itself is process 1 inside and shows the environment that it was started with
            env = {
                **self._profile.env,
                **(self._network if job.network else {}),
                "HOME": str(self._profile.home),
                "TMPDIR": "/tmp",
                **job.env,
            }
            fds = (*line.fds, *([pointer] if pointer is not None else []))
            result = run_started(
                Start(argv=argv, env=env, cwd=Path("/"), fds=fds),
                kind=self.name,
                command=shown(job.command),
                limits=job.limits,
                watched=[work_tree, *job.writable, *([job.temp] if job.temp else [])],
                cancelled=job.cancelled,
            )
        if result.exit_code and result.output.startswith("bwrap: "):
            raise CheckError(f"the sandbox could not start: {result.output.strip().splitlines()[0]}")
        return named_memory_limit(result)

    def _arguments(self, job: CommandSpec, work_tree: Path, pointer: int | None) -> list[str]:
        profile = self._profile
        argv = ["--unshare-all", "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--hostname", "mimo"]
        argv += ["--share-net"] if job.network else []
        argv += ["--ro-bind", "/", "/"]
        for place in profile.hidden:
            argv += ["--size", str(_TEMP_BYTES), "--tmpfs", str(place)]
        argv += ["--proc", "/proc", "--dev", "/dev", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"]
        for name in _KERNEL_READ_ONLY:
            argv += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        for name in _KERNEL_MASKED:
            if Path("/proc", name).exists():
                argv += ["--ro-bind", "/dev/null", f"/proc/{name}"]
        for path in profile.masked:
            if not path.exists():
                continue  # a socket that is gone by now: bwrap would want to make the file
            argv += ["--ro-bind-try", "/dev/null", str(path)]
        if job.temp:
            argv += ["--bind", str(job.temp.resolve()), "/tmp"]
        for path in (*profile.readable, *(p.resolve() for p in job.readable)):
            argv += ["--ro-bind-try", str(path), str(path)]
        for path in (work_tree, *(p.resolve() for p in job.writable)):
            argv += ["--bind", str(path), str(path)]
        if job.private_git and pointer is not None:
            private = str(job.private_git.resolve())
            argv += ["--bind", private, private, "--ro-bind-data", str(pointer), str(work_tree / ".git")]
        cwd = job.cwd.resolve() if job.cwd else work_tree
        return [*argv, "--chdir", str(cwd)]


def _limited(limits: Limits) -> list[str]:
    """A shell that sets the limits inside, where the kernel counts processes of this sandbox only, and steps aside."""
    data = str(limits.memory_bytes // 1024) if limits.memory_bytes else "unlimited"
    size = str(limits.file_bytes // 512) if limits.file_bytes else "unlimited"
    processes = str(limits.processes) if limits.processes else "unlimited"
    return ["/bin/sh", "-c", _LIMITER, "sh", data, size, processes]


@contextlib.contextmanager
def _pointer(job: CommandSpec, work_tree: Path) -> Iterator[int | None]:
    """A descriptor that holds the pointer to the private repository, for a read-only file over `.git`."""
    if job.private_git is None:
        yield None
        return
    text = b"gitdir: " + os.fsencode(job.private_git.resolve()) + b"\n"
    place = work_tree / ".git"
    if not place.exists() and not place.is_symlink():
        place.write_bytes(text)  # else bubblewrap leaves an empty file there
    fd = os.memfd_create("pointer")
    try:
        os.write(fd, text)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
