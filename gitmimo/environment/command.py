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
    memory_bytes: int = 4 << 30
    processes: int = 512
    file_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command with the directory it works in.

    `command` is argv, or one string for `bash -c`. `work_tree` is writable and the working directory unless `cwd` is
    given; `private_git` is bound over its `.git` where the environment can; `writable` names further directories, for
    example where a report goes. `env` is added to the scrubbed environment.
    """

    command: str | Sequence[str]
    work_tree: Path
    cwd: Path | None = None
    private_git: Path | None = None
    writable: Sequence[Path] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    limits: Limits = Limits()
    cancelled: Callable[[], bool] | None = None


class Environment(Protocol):
    """Runs commands and leaves no process behind."""

    @property
    def name(self) -> str:
        """`bwrap`, `landlock` or `none`."""

    def run(self, job: Job) -> CommandResult:
        """Run to the end or to a limit, kill everything it started, and return what it said.

        A command that fails is a result, not an error. CheckError when it could not be started at all.
        """
