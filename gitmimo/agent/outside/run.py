"""Runs another agent's program as a candidate: hands the task over, waits, reads what it told, keeps one step.

The program runs in the candidate's worktree and sandbox with two differences: it has the network, because its model is
there, and its home is a private directory that holds only what its adapter names. Its key is in the environment of that
one process tree; the project's code that the agent runs sees both too.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from gitmimo.agent.assignment import Assignment, OnStep, Stop, Workspace
from gitmimo.agent.focus import find_files
from gitmimo.agent.outputs import MOST_TOLD, cut_middle
from gitmimo.agent.outside.adapter import SAID, Adapter, Endpoint, Order, Ran, Told
from gitmimo.agent.prompts import read_prompt
from gitmimo.errors import LimitReached, MimoError
from gitmimo.llm.transport import Cancelled
from gitmimo.llm.whole_run import Cap, WholeRun
from gitmimo.records import (
    Action,
    ActionKind,
    CommandResult,
    Observation,
    Reply,
    Step,
    StopReason,
    Trajectory,
    Usage,
    utc_now,
)
from gitmimo.redact import redact
from gitmimo.sandbox.files import write_inside

_CHANGE = re.compile(r"^[A-Z] (.+) \+\d+ -\d+$", re.M)
_SPLIT = 'exec "$@" > "$0"'  # the reports of most agents are what they write to standard output, and nothing else


class OutsideWorkspace(Workspace, Protocol):
    """A candidate's worktree in which another agent's program can be run."""

    @property
    def home(self) -> Path:
        """The agent's private home, outside the tree."""

    def run_agent(
        self, argv: Sequence[str], *, program: Path, env: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run the program with network and the private home, in the sandbox."""

    def remove_left(self, patterns: Sequence[str]) -> None:
        """Remove what matches at the top of the tree and is not the project's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hire:
    """An agent that is to work as a candidate, with all it needs but the assignment."""

    adapter: Adapter
    program: Path
    money: Callable[[], WholeRun]
    endpoint: Callable[[], Endpoint]  # starts the local model's server where that is the model
    model: str  # as it is reported
    timeout_s: float
    logins: Mapping[str, bytes] = field(default_factory=dict)  # files for the private home
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Agent and model, for people."""
        return f"{self.adapter.name} {self.model}".strip()

    def __call__(
        self, assignment: Assignment, workspace: OutsideWorkspace, *, on_step: OnStep, stop: Stop
    ) -> Trajectory:
        """Run the agent to its end; what fails is its end."""
        started = time.monotonic()
        money = self.money()
        steps, calls = assignment.history, len(assignment.history)
        try:
            cap = money.begin(lambda: stop() is not None)
            done = self._work(assignment, workspace, money, cap, stop)
            reason, summary = done.reason, done.summary
            calls += done.calls
            steps = (*steps, replace(done.step, commit=on_step(done.step)))
        except LimitReached as exc:
            reason, summary = StopReason.BUDGET, exc.message
        except MimoError as exc:
            reason, summary = stop() or StopReason.ERROR, exc.message
        except Cancelled:
            reason, summary = stop() or StopReason.INTERRUPTED, "stopped"
        finally:
            money.lose(seconds=time.monotonic() - started)
            shutil.rmtree(workspace.home, ignore_errors=True)
        return Trajectory(
            steps=steps,
            stop_reason=reason,
            summary=summary,
            usage=sum((each.reply.usage for each in steps), Usage()),
            cost_usd=sum(each.reply.cost_usd or 0.0 for each in steps),
            seconds=time.monotonic() - started,
            llm_calls=calls,
        )

    def _work(
        self, assignment: Assignment, workspace: OutsideWorkspace, money: WholeRun, cap: Cap, stop: Stop
    ) -> "_Done":
        began = utc_now()
        endpoint = self.endpoint()
        result = self._run(assignment, workspace, endpoint, cap)
        ran = Ran(exit_code=result.exit_code, errors=result.output, home=workspace.home)
        told = self.adapter.read(ran)
        cost = money.end(told.usage, told.usd, seconds=result.seconds, calls=told.calls)
        reason, summary = _ending(self.adapter, result, told, stop)
        summary = self._safe(summary)
        said = self._safe(f"{ran.said}\n{ran.errors}".strip())
        workspace.remove_left(self.adapter.leaves)
        told_text, is_cut = cut_middle(said, most=MOST_TOLD, pointer="not kept")
        actions = [Action(kind=ActionKind.NOTE, text=f"{self.adapter.name} ran, with {told.calls} calls of its model")]
        observations = [
            Observation(
                text=told_text,
                exit_code=result.exit_code,
                seconds=result.seconds,
                truncated=is_cut or result.truncated,
            )
        ]
        if reason is StopReason.FINISHED:
            actions.append(Action(kind=ActionKind.FINISH, text=summary))
            observations.append(Observation(text="accepted"))
        step = Step(
            number=len(assignment.history) + 1,
            reply=Reply(
                text=self._safe(told.summary),
                usage=told.usage or Usage(),
                usage_known=told.usage is not None,
                cost_usd=cost,
                model=self.model,
            ),
            actions=tuple(actions),
            observations=tuple(observations),
            started=began,
            changed_paths=_paths(workspace.changes() or ""),
        )
        return _Done(step=step, calls=told.calls, reason=reason, summary=summary)

    def _run(self, assignment: Assignment, workspace: OutsideWorkspace, endpoint: Endpoint, cap: Cap) -> CommandResult:
        home = workspace.home
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700, parents=True)
        order = Order(
            prompt=_prompt(assignment),
            rules=assignment.prefix,
            home=home,
            endpoint=endpoint,
            test_command=assignment.task.test_command,
            files=self._files(assignment, workspace, endpoint),
            max_steps=assignment.max_steps,
            max_output_tokens=assignment.max_output_tokens,
            cap_usd=cap.usd,
        )
        launch = self.adapter.launch(order)
        for name, data in {**self.logins, **{name: text.encode() for name, text in launch.files.items()}}.items():
            write_inside(home, name, data)
        argv = ["/bin/sh", "-c", _SPLIT, order.at(SAID), str(self.program), *launch.arguments]
        return workspace.run_agent(
            argv, program=self.program, env={**endpoint.env, **launch.env}, timeout_s=self.timeout_s
        )

    def _files(self, assignment: Assignment, workspace: OutsideWorkspace, endpoint: Endpoint) -> tuple[str, ...]:
        if not (self.adapter.wants_files and endpoint.is_small):
            return ()
        tests = workspace.test()
        output = tests.output if tests is not None and tests.exit_code else ""
        return find_files(workspace, task=assignment.task.text, output=output, spectrum=None)

    def _safe(self, text: str) -> str:
        return redact(text, self.secrets)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """A run that came to its end, whatever end that was."""

    step: Step
    calls: int
    reason: StopReason
    summary: str


def _prompt(assignment: Assignment) -> str:
    """The task as a person would hand it to a colleague; what is known of the project goes by the rules."""
    task = assignment.task
    parts = [read_prompt("outside"), f"# Task\n\n{task.text}"]
    if task.test_command:
        parts.append(f"# Tests\n\nThe tests run with: {task.test_command}")
    if task.accept_commands:
        parts.append("# Must exit 0 in the end\n\n" + "\n".join(task.accept_commands))
    if assignment.approach:
        parts.append(f"# Your way\n\nOthers try the same task in other ways. {assignment.approach}")
    if assignment.history:
        parts.append("# Before you\n\nAn earlier try was cut off; what it changed is in the files. Go on from there.")
    return "\n\n".join(parts)


def _ending(adapter: Adapter, result: CommandResult, told: Told, stop: Stop) -> tuple[StopReason, str]:
    if result.killed_by_limit == "cancelled":
        return stop() or StopReason.INTERRUPTED, "stopped"
    if result.timed_out:
        return StopReason.TIMEOUT, f"{adapter.name} did not end within its time"
    if result.killed_by_limit:
        return StopReason.ERROR, f"{adapter.name} was ended: limit of {result.killed_by_limit}"
    if told.ending is not None and told.ending is not StopReason.ERROR:
        return told.ending, told.summary or told.problem
    if result.exit_code or told.problem:
        code = f"exit code {result.exit_code}" if result.exit_code else ""
        meaning = adapter.exit_codes.get(result.exit_code, "") if result.exit_code else ""
        last = " ".join((told.problem or _last_line(result.output)).split())
        return StopReason.ERROR, f"{adapter.name}: " + ", ".join(filter(None, (code, meaning, last)))[:300]
    return StopReason.FINISHED, told.summary or f"{adapter.name} ended"


def _paths(changes: str) -> tuple[str, ...]:
    """The paths of a list of changes, `M path +1 -2` a line."""
    return tuple(_CHANGE.findall(changes))


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
