"""The protocol of an environment: the one way in which commands of agents, tests and skills are run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitmimo.records import CommandResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one command may use. Zero means no limit of that kind."""

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
    given; `private_git` is bound over its `.git` where the environment can; `writable` names further directories, for
    example where a report goes, and `readable` those that would be hidden otherwise. `temp` becomes `/tmp` and keeps
    its files from one command to the next; without it the command gets an empty one that is thrown away. `env` is
    added to the scrubbed environment.
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
        """What it does not protect from, one sentence each; empty when the whole profile holds."""

    def run(self, job: CommandSpec) -> CommandResult:
        """Run to the end or to a limit, kill everything it started, and return what it said.

        A command that fails is a result, not an error. When the job's `cancelled` turns true the command is killed and
        `killed_by_limit` says "cancelled". CheckError when it could not be started at all.
        """
