"""Runs another agent's program as a candidate: hands the task over, waits, reads its report, keeps one step.

The program runs in the candidate's worktree and sandbox with two differences: it has the network, because its model is
there, and its home is a private directory that holds only what its adapter names. Its key is in the environment of that
one process tree; the project's code that the agent runs sees both too.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from gitmimo.agent.external.programs import Adapter, AgentRequest, Endpoint
from gitmimo.agent.external.reports import STDOUT, AgentReport, read_home
from gitmimo.agent.interface import CandidateInput, OnStep, Stop, StrategyResult, Workspace, changed_paths
from gitmimo.agent.prompts import read_prompt
from gitmimo.agent.shell.execute import ACCEPTED, shorten
from gitmimo.agent.shell.opening import approach_text
from gitmimo.cancel import Cancelled, CancelToken
from gitmimo.errors import LimitReached, MimoError
from gitmimo.files import remove_tree
from gitmimo.ids import utc_now
from gitmimo.llm.metered import AgentRunBudget
from gitmimo.records import Action, ActionKind, CommandResult, Observation, Reply, Step, StopReason, Trajectory, Usage
from gitmimo.redact import redact
from gitmimo.sandbox.files import write_inside

_MOST_KEPT = 10_000  # characters of what the program wrote
_SPLIT = 'exec "$@" > "$0"'  # the reports of most agents are what they write to standard output, and nothing else


class AgentWorkspace(Workspace, Protocol):
    """A candidate's worktree in which another agent's program can be run."""

    @property
    def home(self) -> Path:
        """The agent's private home, outside the tree."""

    def run_agent(
        self, argv: Sequence[str], *, program: Path, env: Mapping[str, str], timeout_s: float
    ) -> CommandResult:
        """Run the program with network and the private home, in the sandbox."""

    def remove_leftovers(self, patterns: Sequence[str]) -> None:
        """Remove what matches at the top of the tree and is not the project's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAgent:
    """Another agent configured as a strategy."""

    adapter: Adapter
    program: Path
    money: Callable[[], AgentRunBudget]
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
        self, candidate: CandidateInput, workspace: AgentWorkspace, *, on_step: OnStep, stop: Stop
    ) -> Trajectory:
        """Run the agent to its end; a failure becomes the ending."""
        started = time.monotonic()
        money = self.money()
        steps, calls = candidate.history, len(candidate.history)
        try:
            cap_usd = money.begin(CancelToken(lambda: stop() is not None))
            step, made, ending = self._work(candidate, workspace, money, cap_usd, stop)
            calls += made
            steps = (*steps, replace(step, commit=on_step(step)))
        except LimitReached as exc:
            ending = StrategyResult(stop_reason=StopReason.BUDGET, summary=exc.message)
        except MimoError as exc:
            ending = StrategyResult(stop_reason=stop() or StopReason.ERROR, summary=exc.message)
        except Cancelled:
            ending = StrategyResult(stop_reason=stop() or StopReason.INTERRUPTED, summary="stopped")
        finally:
            money.settle_unknown(seconds=time.monotonic() - started)
            remove_tree(workspace.home, ignore_errors=True)
        return Trajectory(
            steps=steps,
            stop_reason=ending.stop_reason,
            summary=ending.summary,
            usage=sum((each.reply.usage for each in steps), Usage()),
            cost_usd=sum(each.reply.cost_usd or 0.0 for each in steps),
            seconds=time.monotonic() - started,
            llm_calls=calls,
        )

    def _work(
        self,
        candidate: CandidateInput,
        workspace: AgentWorkspace,
        money: AgentRunBudget,
        cap_usd: float | None,
        stop: Stop,
    ) -> tuple[Step, int, StrategyResult]:
        """The run as one step, the calls of a model that it reported, and how it ended."""
        began = utc_now()
        result = self._run(candidate, workspace, cap_usd)
        report = self.adapter.read(workspace.home)
        cost = money.end(report.usage, report.usd, seconds=result.seconds, calls=report.calls)
        ending = _ending(self.adapter, result, report, stop)
        ending = replace(ending, summary=self._safe(ending.summary))
        output = self._safe(f"{read_home(workspace.home, STDOUT)}\n{result.output}".strip())
        workspace.remove_leftovers(self.adapter.leftovers)
        shown, is_cut = shorten(output, most=_MOST_KEPT, pointer="not kept")
        seen = Observation(
            text=shown,
            exit_code=result.exit_code,
            seconds=result.seconds,
            truncated=is_cut or result.truncated,
        )
        note = f"{self.adapter.name} ran, with {report.calls} calls of its model"
        actions, observations = [Action(kind=ActionKind.NOTE, text=note)], [seen]
        if ending.stop_reason is StopReason.FINISHED:
            actions.append(Action(kind=ActionKind.FINISH, text=ending.summary))
            observations.append(Observation(text=ACCEPTED))
        usage, is_known = report.usage or Usage(), report.usage is not None
        summary = self._safe(report.summary)
        step = Step(
            number=len(candidate.history) + 1,
            reply=Reply(text=summary, usage=usage, usage_known=is_known, cost_usd=cost, model=self.model),
            actions=tuple(actions),
            observations=tuple(observations),
            started=began,
            changed_paths=changed_paths(workspace.changes() or ""),
        )
        return step, report.calls, ending

    def _run(self, candidate: CandidateInput, workspace: AgentWorkspace, cap_usd: float | None) -> CommandResult:
        endpoint = self.endpoint()
        home = workspace.home
        remove_tree(home, ignore_errors=True)
        home.mkdir(mode=0o700, parents=True)
        request = AgentRequest(
            prompt=_prompt(candidate),
            rules=candidate.prefix,
            home=home,
            endpoint=endpoint,
            test_command=candidate.task.test_command,
            max_steps=candidate.max_steps,
            max_output_tokens=candidate.max_output_tokens or endpoint.max_output,
            cap_usd=cap_usd,
        )
        launch = self.adapter.launch(request)
        for name, data in {**self.logins, **{name: text.encode() for name, text in launch.files.items()}}.items():
            write_inside(home, name, data)
        argv = ["/bin/sh", "-c", _SPLIT, request.at(STDOUT), str(self.program), *launch.arguments]
        return workspace.run_agent(
            argv, program=self.program, env={**endpoint.env, **launch.env}, timeout_s=self.timeout_s
        )

    def _safe(self, text: str) -> str:
        return redact(text, self.secrets)[0]


def _prompt(candidate: CandidateInput) -> str:
    """The task as a prompt; project rules and memory go into the agent's rules file."""
    task = candidate.task
    parts = [read_prompt("external"), f"# Task\n\n{task.text}"]
    if task.test_command:
        parts.append(f"# Tests\n\nThe tests run with: {task.test_command}")
    if task.accept_commands:
        parts.append("# Must exit 0 in the end\n\n" + "\n".join(task.accept_commands))
    parts += [text] if (text := approach_text(candidate)) else []
    if candidate.history:
        parts.append("# Before you\n\nAn earlier try was cut off; what it changed is in the files. Go on from there.")
    return "\n\n".join(parts)


def _ending(adapter: Adapter, result: CommandResult, report: AgentReport, stop: Stop) -> StrategyResult:
    if result.killed_by_limit == "cancelled":
        return StrategyResult(stop_reason=stop() or StopReason.INTERRUPTED, summary="stopped")
    if result.timed_out:
        return StrategyResult(stop_reason=StopReason.TIMEOUT, summary=f"{adapter.name} did not end within its time")
    if result.killed_by_limit:
        summary = f"{adapter.name} was ended: limit of {result.killed_by_limit}"
        return StrategyResult(stop_reason=StopReason.ERROR, summary=summary)
    if report.ending is not None and report.ending is not StopReason.ERROR:
        return StrategyResult(stop_reason=report.ending, summary=report.summary or report.problem)
    if result.exit_code or report.problem:
        code = f"exit code {result.exit_code}" if result.exit_code else ""
        meaning = adapter.exit_codes.get(result.exit_code, "") if result.exit_code else ""
        last = " ".join((report.problem or result.output.rstrip().rpartition("\n")[2]).split())
        summary = f"{adapter.name}: " + ", ".join(filter(None, (code, meaning, last)))[:300]
        return StrategyResult(stop_reason=StopReason.ERROR, summary=summary)
    return StrategyResult(stop_reason=StopReason.FINISHED, summary=report.summary or f"{adapter.name} ended")
