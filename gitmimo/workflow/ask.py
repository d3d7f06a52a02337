"""A question about the repository, answered by the shell agent in a throw-away copy of HEAD."""

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.agent.interface import CandidateInput, Workspace, WorkspaceFacts
from gitmimo.agent.runner import run_candidate
from gitmimo.agent.shell.tools import has_action
from gitmimo.config import Config
from gitmimo.errors import LimitReached, ModelError
from gitmimo.evaluator.testbed import FreshTree, fresh_tree
from gitmimo.git.agent_repo import base_objects
from gitmimo.git.repository import Repository
from gitmimo.ids import new_session_id
from gitmimo.records import CommandResult, Step, StopReason, Task, Trajectory
from gitmimo.redact import known_secrets, redact
from gitmimo.workflow.evaluate import plain_testbed
from gitmimo.workflow.models import open_models

MOST_STEPS = 15
_ORDER = (
    "Answer a question about this repository. Look with commands and reads; change nothing, and make nothing: the copy "
    "you stand in is thrown away. When you know, call `finish` and let its summary be the answer, in a few sentences, "
    "naming files and lines (`path:line`). When the repository does not hold the answer, say so there."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent answered; empty with the reason in `stopped` when it was interrupted or found nothing to say."""

    text: str
    stopped: str = ""


def ask(
    repository: Repository,
    config: Config,
    question: str,
    *,
    said_before: str = "",
    on_step: Callable[[Step], None],
    stop: Callable[[], StopReason | None],
) -> Answer:
    """Let the configured model look at HEAD, never at uncommitted files, and answer. The checkout is not touched.

    Its cost is in the ledger as a session of its own. ModelError and LimitReached pass through.
    """
    head = repository.resolve("HEAD")
    text, _ = redact(f"{_ORDER}\n\n{said_before}\n\nThe question: {question}", known_secrets(os.environ))
    spoken: list[str] = []

    def keep(step: Step) -> None:
        on_step(step)
        if not has_action(step.actions) and step.reply.text.strip():
            spoken.append(step.reply.text.strip())  # said without `finish`: that is an answer as well

    timeout_s = config.seconds("commandTimeout")
    objects = base_objects(repository, head)
    with (
        contextlib.closing(open_models(repository, config, new_session_id())) as models,
        plain_testbed(repository, config, head, timeout_s=timeout_s, readable=[objects]) as testbed,
        fresh_tree(testbed, repository.tree_of(head)) as fresh,
    ):
        trajectory = run_candidate(
            CandidateInput(task=Task(text=text), max_steps=MOST_STEPS),
            _Copy(fresh, timeout_s),
            models.metered(0, "answer"),
            strategy="shell",
            on_step=keep,
            stop=lambda: StopReason.FINISHED if spoken else stop(),
        )
    return _answer_of(trajectory, spoken)


def _answer_of(trajectory: Trajectory, spoken: Sequence[str]) -> Answer:
    if trajectory.stop_reason is StopReason.BUDGET:
        raise LimitReached(trajectory.summary, limit="session")
    if trajectory.stop_reason is StopReason.ERROR:
        raise ModelError(trajectory.summary)
    if trajectory.stop_reason in (StopReason.FINISHED, StopReason.GAVE_UP):
        return Answer(text="\n".join(spoken) or trajectory.summary.strip())
    return Answer(text="", stopped=trajectory.summary or trajectory.stop_reason.value)


class _Copy(Workspace):
    """Where an answer is looked for: a fresh tree without tests, whose changes are discarded."""

    root: Path = Path()

    def __init__(self, fresh: FreshTree, timeout_s: float) -> None:
        self.root = fresh.path
        self._fresh = fresh
        self._timeout_s = timeout_s

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        """Run a command in the sandbox, without network."""
        return self._fresh.run(f"set -o pipefail\n{command}")

    def facts(self) -> WorkspaceFacts:
        """Only the time that a command may take."""
        return WorkspaceFacts(command_timeout_s=self._timeout_s)
