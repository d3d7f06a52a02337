"""The parts that all sandboxes share: commands and limits, the protocol, and the translation to argv."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitmimo.errors import CheckError
from gitmimo.records import CommandResult

_ARGUMENT_BYTES = 120_000  # Linux takes 128 KiB for one argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one command. Zero means no limit of that kind."""

    timeout_s: float = 600.0
    capture_bytes: int = 1_000_000  # kept of the output: first and last half
    output_bytes: int = 8 << 30  # written in all, kept or not
    memory_bytes: int = 4 << 30  # of all its processes together
    processes: int = 512
    file_bytes: int = 1 << 30  # one file
    disk_bytes: int = 8 << 30  # all files it may write
    disk_files: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One command with the directory it works in.

    `command` is argv, or one string for `bash -c`. `work_tree` is writable and the working directory unless `cwd` is
    given. `private_git` is mounted over its `.git` where the sandbox can. `writable` names further directories, for
    example where a report goes; `readable` names what would be hidden otherwise. `temp` becomes `/tmp` and keeps its
    files from one command to the next; without it the command gets an empty one that is thrown away. `env` is added to
    the scrubbed environment.
    """

    command: str | Sequence[str]
    work_tree: Path
    cwd: Path | None = None
    private_git: Path | None = None
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    temp: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    limits: Limits = Limits()
    cancelled: Callable[[], bool] | None = None


class Sandbox(Protocol):
    """Runs commands and leaves no process behind."""

    @property
    def name(self) -> str:
        """`bwrap`, `landlock` or `none`."""

    @property
    def gaps(self) -> tuple[str, ...]:
        """Its known gaps, one sentence each; empty when it enforces everything."""

    def run(self, spec: CommandSpec) -> CommandResult:
        """Run to the end or to a limit, kill everything it started, and return its output and exit code.

        A command that fails is a result, not an error. When `cancelled` turns true the command is killed and
        `killed_by_limit` is "cancelled". CheckError when it could not be started at all.
        """


@contextlib.contextmanager
def command_line(command: str | Sequence[str]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Turn a command into argv and the descriptors that it must inherit.

    Strings go to bash, and one too long for an argument travels as a file.

    CheckError when it is empty or contains a NUL.
    """
    parts = (command,) if isinstance(command, str) else tuple(command)
    if not parts or not parts[0].strip():
        raise CheckError("the command is empty")
    if any("\0" in part for part in parts):
        raise CheckError("the command contains a NUL character")
    if not isinstance(command, str):
        yield parts, ()
        return
    encoded = command.encode("utf-8", "surrogateescape")
    if len(encoded) < _ARGUMENT_BYTES:
        yield ("bash", "-c", command), ()
        return
    with memory_file("script", encoded) as fd:
        yield ("bash", f"/dev/fd/{fd}"), (fd,)


@contextlib.contextmanager
def memory_file(name: str, content: bytes) -> Iterator[int]:
    """A descriptor from which the content can be read once, without a file in any directory."""
    fd = os.memfd_create(name)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def git_pointer(spec: CommandSpec) -> bytes | None:
    """The content of a `.git` file that points at the private repository; None when there is none.

    Makes the file where the work tree has nothing of that name, so that there is something to mount over.
    """
    if spec.private_git is None:
        return None
    text = b"gitdir: " + os.fsencode(spec.private_git.resolve()) + b"\n"
    pointer = spec.work_tree.resolve() / ".git"
    if not pointer.exists() and not pointer.is_symlink():
        pointer.write_bytes(text)
    return text


def check_work_tree(spec: CommandSpec) -> Path:
    """The work tree without symlinks; CheckError when it or the working directory isn't there."""
    for directory in (spec.work_tree, spec.cwd or spec.work_tree):
        if not directory.is_dir():
            raise CheckError(f"no such directory to run a command in: `{directory}`")
    return spec.work_tree.resolve()
