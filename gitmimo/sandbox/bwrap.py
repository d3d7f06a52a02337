"""Commands in bubblewrap: own namespaces, only named directories, no capabilities, no network, fewer system calls."""

import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult
from gitmimo.sandbox.base import CommandSpec, Limits, check_work_tree, command_line, git_pointer, memory_file
from gitmimo.sandbox.policy import SandboxPolicy, symlinks_on
from gitmimo.sandbox.seccomp import filter_program
from gitmimo.sandbox.supervise import run_process

_TEMP_BYTES = 2 << 30
_SHM_BYTES = 1 << 30
_KERNEL_MASKED = ("keys", "timer_list")
# bash and its like call the limit of processes -u; there -p is another one
_LIMITER = (
    'case "$BASH_VERSION$ZSH_VERSION${KSH_VERSION#*MIRBSD*}" in "") ulimit -p "$3";; *) ulimit -u "$3";; esac; '
    'ulimit -c 0; ulimit -d "$1"; ulimit -f "$2"; shift 3; exec "$@"'
)


class BwrapSandbox:
    """Runs commands under bubblewrap.

    Covers: only system directories, toolchains and what the command names can be read, only the work tree and what it
    names can be written, other processes are invisible, no network but an own loopback, no capability, no key rings,
    no way back to the terminal, everything ends with the command. Does not cover: system files that everybody may
    read, the kernel's own bugs, and, as root, a limit of processes other than by sampling.
    """

    name = "bwrap"

    def __init__(self, program: Path, policy: SandboxPolicy) -> None:
        self._program = program
        self._policy = policy
        self._filter = filter_program()
        self._always = _policy_mounts(policy)
        self.gaps: tuple[str, ...] = () if self._filter else ("system calls are not filtered on this processor",)

    def run(self, spec: CommandSpec) -> CommandResult:
        """Run one command in a new sandbox; see `Sandbox.run`."""
        work_tree = check_work_tree(spec)
        with contextlib.ExitStack() as stack:
            inner, inherited = stack.enter_context(command_line(spec.command))
            fds = list(inherited)
            argv = [str(self._program), "--unshare-all", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]
            argv += ["--hostname", f"pc-{secrets.token_hex(3)}"]  # another one each time: nothing to know us by
            argv += ["--share-net"] if spec.network else []
            argv += self._mounts(spec, work_tree)
            pointer = git_pointer(spec)
            if pointer is not None:
                fds.append(stack.enter_context(memory_file("pointer", pointer)))
                argv += ["--ro-bind-data", str(fds[-1]), str(work_tree / ".git")]
            if self._filter:
                fds.append(stack.enter_context(memory_file("seccomp", self._filter)))
                argv += ["--seccomp", str(fds[-1])]
            argv += ["--remount-ro", "/", "--chdir", str(spec.cwd.resolve() if spec.cwd else work_tree), "--"]
            result = run_process(
                [*argv, *_limited(spec.limits), *inner],
                spec,
                cwd=Path("/"),
                env=self._environment(spec),
                watched=[work_tree, *spec.writable, *([spec.temp] if spec.temp else [])],
                pass_fds=fds,
            )
        if result.exit_code == 1 and result.output.startswith("bwrap: ") and result.output.count("\n") == 1:
            raise CheckError(f"the sandbox could not start: {result.output.strip()}")
        return result

    def _environment(self, spec: CommandSpec) -> dict[str, str]:
        """bwrap itself is process 1 inside and shows the environment that it was started with."""
        return {
            **self._policy.env,
            **(self._policy.network_env if spec.network else {}),
            "HOME": str(self._policy.home),
            "TMPDIR": "/tmp",
            **spec.env,
        }

    def _mounts(self, spec: CommandSpec, work_tree: Path) -> list[str]:
        """The mounts: parents before their children, so that the deeper one decides."""
        readable = _resolved(spec.readable)
        writable = _resolved((work_tree, *spec.writable, *([spec.private_git] if spec.private_git else [])))
        mounts = self._always | {path: _bind("--ro-bind-try", path) for path in readable}
        mounts |= {path: _bind("--bind", path) for path in writable}
        if spec.temp:
            mounts[Path("/tmp")] = ["--bind", str(spec.temp.resolve()), "/tmp"]
        shown = (*self._policy.readable, *readable, *writable)
        for link, target in {**self._policy.links, **symlinks_on((*spec.readable, *spec.writable))}.items():
            if not any(link.is_relative_to(directory) for directory in shown):
                mounts[link] = ["--symlink", target, str(link)]
        inside = sorted(mounts, key=lambda path: len(path.parts))
        return [*(word for path in inside for word in mounts[path]), *_kernel()]


def _policy_mounts(policy: SandboxPolicy) -> dict[Path, list[str]]:
    """The mounts that every command gets."""
    return (
        {path: _bind("--ro-bind-try", path) for path in policy.readable}
        | {path: ["--size", str(_TEMP_BYTES), "--tmpfs", str(path)] for path in (*policy.scratch, *policy.hidden)}
        | {path: ["--ro-bind-try", "/dev/null", str(path)] for path in policy.masked}
    )


def _bind(option: str, path: Path) -> list[str]:
    return [option, str(path), str(path)]


def _kernel() -> Iterable[str]:
    yield from ("--proc", "/proc", "--dev", "/dev", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm")
    for name in _KERNEL_MASKED:
        if Path("/proc", name).exists():
            yield from ("--ro-bind", "/dev/null", f"/proc/{name}")
    # the kernel checks writes to settings by user id alone: root without any capability could change the whole machine
    yield from ("--remount-ro", "/proc")


def _resolved(paths: Iterable[Path]) -> list[Path]:
    return [path.resolve() for path in paths]


def _limited(limits: Limits) -> list[str]:
    """A shell that sets the limits inside, where the kernel counts processes of this sandbox only, and steps aside."""
    data = str(limits.memory_bytes // 1024) if limits.memory_bytes else "unlimited"
    size = str(limits.file_bytes // 512) if limits.file_bytes else "unlimited"
    processes = str(limits.processes) if limits.processes else "unlimited"
    return ["/bin/sh", "-c", _LIMITER, "sh", data, size, processes]
