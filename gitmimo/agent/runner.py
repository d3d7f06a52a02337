"""Runs a candidate: picks the strategy and records what it did as a trajectory."""

import time
from dataclasses import replace

from gitmimo.agent.checklist import is_todo_list, items_of, run_items
from gitmimo.agent.interface import CandidateInput, OnStep, Stop, StrategyResult, Work, Workspace
from gitmimo.agent.patch.strategy import run_patch
from gitmimo.agent.shell.agent import run_shell
from gitmimo.errors import LimitReached, MimoError
from gitmimo.llm.model import ChatRequest, Model, ModelInfo
from gitmimo.records import Reply, Step, StopReason, Trajectory, Usage

_TEMPERATURES = (0.2, 0.8, 0.8, 1.0, 0.6, 0.9, 0.7, 1.0)  # by candidate: careful first, then wider
_STRATEGIES = {"shell": run_shell, "patch": run_patch, "list": run_items}


def run_candidate(
    candidate: CandidateInput,
    workspace: Workspace,
    model: Model,
    *,
    strategy: str = "auto",
    on_step: OnStep,
    stop: Stop,
) -> Trajectory:
    """Run a candidate to its end; `on_step` stores each step at once.

    A failed model or workspace or a reached limit becomes the candidate's ending, with all steps kept.
    """
    chosen = _STRATEGIES[pick_strategy(strategy, model, candidate.task.text)]
    started = time.monotonic()
    counted = _CountedModel(model)
    steps = list(candidate.history)

    def record(step: Step) -> Step:
        kept = replace(step, commit=on_step(step))
        steps.append(kept)
        return kept

    try:
        ending = chosen(Work(candidate=candidate, workspace=workspace, model=counted, record=record, stop=stop))
    except MimoError as exc:  # the model, or the workspace: a command that could not even be started
        ending = _failed(exc, stop)
    before = candidate.history
    return Trajectory(
        steps=tuple(steps),
        stop_reason=ending.stop_reason,
        summary=ending.summary,
        title=ending.title,
        remarks=ending.remarks,
        usage=sum((step.reply.usage for step in before), counted.usage),
        cost_usd=counted.cost_usd + sum(step.reply.cost_usd or 0.0 for step in before),
        seconds=time.monotonic() - started,
        llm_calls=counted.calls + len(before),
    )


def _failed(exc: MimoError, stop: Stop) -> StrategyResult:
    """The ending that a failed model, a failed workspace or a reached limit makes."""
    hint = exc.hint if isinstance(exc, LimitReached) else next(iter(exc.hint.splitlines()), "")
    why = StopReason.BUDGET if isinstance(exc, LimitReached) else stop() or StopReason.ERROR
    return StrategyResult(stop_reason=why, summary=f"{exc.message} ({hint})" if hint else exc.message)


def temperature_for(number: int) -> float:
    """The sampling temperature of a candidate. Only the first is careful."""
    first, *others = _TEMPERATURES
    return first if number <= 1 else others[(number - 2) % len(others)]


def pick_strategy(strategy: str, model: Model, task_text: str) -> str:
    """Answer `shell`, `patch` or `list`, the last only for a task that is a list.

    `auto` gives small, local and tool-less models the patch strategy, or a task that is a list item by item.
    """
    if strategy == "list" and not items_of(task_text):
        return "shell"
    if strategy != "auto":
        return strategy
    if not model.info.supports_tools or model.info.is_small:
        return "list" if is_todo_list(task_text) else "patch"
    return "shell"


class _CountedModel:
    """A model that counts what its calls used, also those that made no step."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.usage = Usage()
        self.cost_usd = 0.0
        self.calls = 0

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    def complete(self, request: ChatRequest) -> Reply:
        self.calls += 1
        reply = self._model.complete(request)
        self.usage += reply.usage
        self.cost_usd += reply.cost_usd or 0.0
        return reply
