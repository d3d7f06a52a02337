"""The interface that all strategies share: their input and result.

`agent/runner.py` picks a strategy and turns what it did into a trajectory. The strategies import this module and
never `runner.py`, which imports them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitmimo.cancel import CancelToken
from gitmimo.ids import Oid
from gitmimo.llm.model import Model
from gitmimo.records import CommandResult, Step, StopReason, Task

OnStep = Callable[[Step], Oid | None]
"""Keeps a step, for example as a commit, and returns the commit's id."""

Stop = Callable[[], StopReason | None]
"""Says why the work must end now, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Objections to a product, for the next attempt: failed gates and a critic's remarks.

    `after_step` is the candidate's own step that it answers; 0 if it is about an earlier candidate.
    """

    text: str
    after_step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateInput:
    """The input of one candidate. `prefix` is the same for all of a session, so that providers cache it."""

    task: Task
    number: int = 1
    prefix: str = ""  # memory and rules of the project, byte-identical for the whole session
    follows: tuple[str, ...] = ()  # commits of changes of this kind, the newest first: the skill that fits names them
    approach: str = ""  # what this candidate tries that its siblings don't; empty for none
    temperature: float | None = None
    seed: int | None = None
    max_steps: int = 60
    max_output_tokens: int | None = None  # None: what the model gives
    protocol: str = "auto"  # auto, tools, text
    command_timeout_s: float = 120.0
    history: tuple[Step, ...] = ()  # steps already taken and kept, when a candidate is resumed or goes on
    steps_before: int = 0  # of the same candidate, which belong to other work
    unchanged: str = ""  # what `Workspace.changes` says as long as nothing was done
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFacts:
    """What the prompt says about the workspace. A fact that could not be determined is empty."""

    system: str = ""  # kernel and machine
    interpreter: str = ""  # of the project's tests, with its version
    test_directory: str = ""  # where in the tree the tests run; empty for the top
    programs: tuple[str, ...] = ()  # that commands can use, of those that projects often need
    missing: tuple[str, ...] = ()  # of the same, those that are not there
    network: bool = False
    commit: str = ""  # the base, and the branch it came from
    entries: tuple[str, ...] = ()  # of the tree's top, directories with the number of their files
    protected: tuple[str, ...] = ()  # patterns of what is put back to the base before the product is judged
    command_timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSuite:
    """The test results of the base. Without results by test id there is only the exit code."""

    exit_code: int = 0
    passed: int = 0
    failed: tuple[str, ...] = ()  # test ids
    flaky: tuple[str, ...] = ()
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastChange:
    """Of several changes that pass the tests, the index of the one that changes the fewest outputs of the base."""

    index: int
    behaviours: int  # how many different ones there are among them; the tests pass for all of these
    example: str = ""  # an input on which two of them differ, with their answers


class Workspace(Protocol):
    """A candidate's worktree: its files, and the sandboxed way to run commands in it.

    Who has nothing to say of tests, changes or hints inherits from it.
    """

    @property
    def root(self) -> Path:
        """The worktree. The only directory a strategy may write to."""

    def facts(self) -> WorkspaceFacts:
        """Facts about the workspace, measured once."""

    def base_suite(self) -> BaseSuite | None:
        """The base's test results; None while they are unknown. Never waits."""
        return None

    def hints(self) -> tuple[str, ...]:
        """What a person said to this candidate since the last call."""
        return ()

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        """Run a command of the agent's by bash with `pipefail`, in the sandbox, with the worktree as directory."""

    def test(self, only: Sequence[str] = ()) -> CommandResult | None:
        """Run the project's visible test command, or these tests alone; None when that can't be done."""
        return None

    def is_accepted(self) -> bool:
        """Whether the files as they are now pass every gate; False also where nobody can be asked."""
        return False

    def changes(self) -> str | None:
        """The changes since the base, a line `M path +1 -2` for each file; empty for none, None when unknown."""
        return None

    def diff(self) -> str:
        """The product so far as a unified diff."""
        return ""

    def tree_id(self) -> str:
        """Equal as long as no file changes that belongs to the product."""
        return ""

    def least_change(self, changes: Sequence[Mapping[str, str]]) -> LeastChange | None:
        """Compare changes, given as texts by path, by running them on inputs that tests use; None when not possible."""
        return None


def changed_paths(changes: str) -> tuple[str, ...]:
    """The paths in what `Workspace.changes` says."""
    return tuple(re.findall(r"^[A-Z] (.+) \+\d+ -\d+$", changes, re.MULTILINE))


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult:
    """Why a strategy ended, the finish or give-up text, and the title that the agent gave its change."""

    stop_reason: StopReason
    summary: str = ""
    title: str = ""
    remarks: tuple[str, ...] = ()  # what a person who judges the product should know
    steps: int = 0  # of the shell strategy, with those of the history


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One candidate's work, which a strategy does until it is done, given up or stopped.

    `record` keeps each step as soon as it is complete and returns it with its commit: steps of `candidate.history` are
    not recorded again. `stop` says why the work must end now, or None: it is asked before every model call, while the
    reply streams, and between actions. ModelError and LimitReached pass through: what was recorded is kept.
    """

    candidate: CandidateInput
    workspace: Workspace
    model: Model
    record: Callable[[Step], Step]
    stop: Stop

    @property
    def cancel(self) -> CancelToken:
        """Set once the work must end."""
        return CancelToken(lambda: self.stop() is not None)
