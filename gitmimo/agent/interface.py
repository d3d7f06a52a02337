"""What a strategy is given and what it owes: the interface that `shell` and `patch` share.

`agent/runner.py` picks a strategy and turns what it did into a trajectory. The strategies import this module and
never `runner.py`, which imports them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitmimo.llm.model import Model
from gitmimo.records import CommandResult, Oid, Step, StopReason, Task

OnStep = Callable[[Step], Oid | None]
"""Keeps a step, for example as a commit, and returns the commit's id."""

Stop = Callable[[], StopReason | None]
"""Says why the work must end now, or None. Asked before every model call, while it streams, and between actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateInput:
    """One candidate's work order. `prefix` is the same for all candidates of a session, so that providers cache it."""

    task: Task
    number: int = 1
    prefix: str = ""  # memory and rules of the project, byte-identical for the whole session
    approach: str = ""  # what this candidate tries that its siblings don't; empty for none
    temperature: float | None = None
    seed: int | None = None
    max_steps: int = 60
    max_output_tokens: int = 4096
    protocol: str = "auto"  # auto, tools, text
    command_timeout_s: float = 120.0
    test_timeout_s: float = 600.0
    outputs: Path | None = None  # where whole outputs are kept for `show`; a private temporary directory if None
    history: tuple[Step, ...] = ()  # steps already taken and kept, when a candidate is resumed


class Workspace(Protocol):
    """A candidate's worktree: its files, and the sandboxed way to run commands in it."""

    @property
    def root(self) -> Path:
        """The worktree. The only directory a strategy may write to."""

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        """Run a shell command of the agent's in the sandbox, with the worktree as working directory."""

    def test(self) -> CommandResult | None:
        """Run the project's visible test command; None when there is none."""

    def changes(self) -> str | None:
        """What differs from the base now, a line for each file; empty for nothing, None when not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult:
    """Why a strategy ended, and the finish or give-up text."""

    stop_reason: StopReason
    summary: str = ""


class Strategy(Protocol):
    """A way of working on an candidate."""

    def __call__(
        self,
        candidate: CandidateInput,
        workspace: Workspace,
        model: Model,
        *,
        record: Callable[[Step], Step],
        stop: Stop,
    ) -> StrategyResult:
        """Work until done, hopeless or stopped.

        `record` keeps each step as soon as it is complete and returns it with its commit: steps of
        `candidate.history` are not recorded again. ModelError and LimitReached may pass through: what was recorded
        is kept, and the caller makes an ending of them.
        """
