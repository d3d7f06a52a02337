"""The shell strategy: one model call a step, its actions carried out, until it finishes, gives up or must stop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from gitmimo.agent.interface import CandidateInput, Stop, StrategyResult, Workspace
from gitmimo.agent.prompts import read_prompt
from gitmimo.agent.shell.actions import holds_action, only_looks, read_actions, runs_command
from gitmimo.agent.shell.context import Context, opening_text, room_for
from gitmimo.agent.shell.example import NEXT_TASK, example
from gitmimo.agent.shell.execute import ActionExecutor, ExecutionResult
from gitmimo.agent.shell.observations import OutputStore, format_result, open_outputs
from gitmimo.agent.shell.run_summary import RunSummary
from gitmimo.agent.shell.stuck_detector import (
    REMARK,
    Response,
    StuckDetector,
    calls_of,
    calls_of_step,
    fingerprint,
    repeats_itself,
)
from gitmimo.agent.shell.tools import TOOLS
from gitmimo.agent.sizes import is_small
from gitmimo.errors import ContextOverflow
from gitmimo.llm.model import Model
from gitmimo.records import Action, ActionKind, Message, Observation, Reply, Step, StopReason, utc_now

FRUITLESS = 3
"""Replies in a row that hold no action: then the work ends."""

_LAST_STEPS = 5
_REPETITION = "the reply repeated itself and was stopped; say something else, in few words"


def run_shell(
    candidate: CandidateInput,
    workspace: Workspace,
    model: Model,
    *,
    record: Callable[[Step], Step],
    stop: Stop,
    before: int = 0,
) -> StrategyResult:
    """Work on an candidate with commands and edits.

    Ends by FINISH (after failing tests, or no change at all, were pointed out), GIVE_UP, at the most steps, when
    the same thing is done again and again, after three replies without an action, or when `stop` says so. `before`
    is how many steps of the same candidate belong to other work.
    """
    with open_outputs(candidate.outputs) as outputs:
        return _Shell(candidate, workspace, model, outputs, record=record, stop=stop, before=before).work()


class _Shell:
    """One run of the strategy. What it knows follows from the steps alone, so a resumed one knows the same."""

    def __init__(
        self,
        candidate: CandidateInput,
        workspace: Workspace,
        model: Model,
        outputs: OutputStore,
        *,
        record: Callable[[Step], Step],
        stop: Stop,
        before: int,
    ) -> None:
        self._before = before
        self._candidate = candidate
        self._workspace = workspace
        self._model = model
        self._outputs = outputs
        self._record = record
        self._stop = stop
        self._protocol = _protocol(candidate, model)
        self._tools = TOOLS if self._protocol == "tools" else ()
        self._room = room_for(model.window, candidate.max_output_tokens)
        self._carrier = ActionExecutor(candidate, workspace, outputs, most_told=self._room.most_told, stop=stop)
        self._context = self._open_context()
        self._guard = StuckDetector()
        self._fruitless = 0
        self._is_tested = False
        self._objections: set[str] = set()
        self._stands = False  # the last objection, since nothing was done about it

    def work(self) -> StrategyResult:
        """Go on after the last step of the history."""
        for step in self._candidate.history:
            self._guard.add(calls_of_step(step))
            self._take_in(step)
        first = self._before + len(self._candidate.history) + 1
        for number in range(first, self._candidate.max_steps + 1):
            reason = self._stop()
            if reason is not None:
                return StrategyResult(stop_reason=reason)
            started = utc_now()
            reply, repeats = self._ask()
            reason = self._stop()
            if reply.finish_reason == "cancelled" and not repeats:
                return StrategyResult(stop_reason=reason or StopReason.INTERRUPTED)
            actions = _repetition() if repeats else read_actions(reply, protocol=self._protocol)
            carried = self._carrier.carry_out(actions, step=number)
            carried, ending = self._judge_end(carried, actions, number)
            carried, ending = self._judge_progress(carried, actions, number, ending)
            step = Step(
                number=number,
                reply=reply,
                actions=actions,
                observations=carried.observations,
                started=started,
                changed_paths=carried.changed_paths,
            )
            self._take_in(self._record(step))
            if ending is not None:
                return ending
        return StrategyResult(
            stop_reason=StopReason.STEPS, summary=f"reached the limit of {self._candidate.max_steps} steps"
        )

    def _open_context(self) -> Context:
        task = self._candidate.task
        commands = [f"The project's tests run with: {task.test_command}"] if task.test_command else []
        commands += [f"Must exit 0 in the end: {command}" for command in task.accept_commands]
        is_shown = self._protocol == "text" and is_small(self._model.name)
        return Context(
            system=read_prompt("small" if is_shown else self._protocol),
            example=example() if is_shown else (),
            opening=(NEXT_TASK if is_shown else "")
            + opening_text(
                prefix=self._candidate.prefix,
                task=task.text,
                commands="\n".join(commands),
                approach="" if is_shown else self._candidate.approach,
                room=self._room,
            ),
            tools=self._tools,
            room=self._room,
            facts=RunSummary(test_command=task.test_command),
            changes=self._workspace.changes,
        )

    def _ask(self) -> tuple[Reply, bool]:
        """One model call, and whether the reply repeats itself. A prompt that is too long is cut and sent again."""
        while True:
            sent = self._context.messages()
            watch = _Watch(self._stop)
            try:
                reply = self._complete(sent, watch)
            except ContextOverflow:
                if not self._context.overflowed():
                    raise
                continue
            self._context.learn(sent, reply)
            return reply, watch.repeats or (not reply.tool_calls and repeats_itself(reply.text))

    def _complete(self, sent: Sequence[Message], watch: "_Watch") -> Reply:
        return self._model.complete(
            sent,
            tools=self._tools,
            temperature=self._candidate.temperature,
            max_tokens=self._room.output,
            seed=self._candidate.seed,
            on_text=watch.see,
            cancelled=watch.is_over,
        )

    def _take_in(self, step: Step) -> None:
        """Let a kept step change what is known."""
        self._context.add(step)
        self._carrier.remember(step)
        self._fruitless = 0 if holds_action(step.actions) else self._fruitless + 1
        for action, observation in zip(step.actions, step.observations, strict=True):
            if observation.exit_code is None:
                continue
            self._stands = action.kind is ActionKind.FINISH or (self._stands and only_looks(action))
            if action.kind is ActionKind.FINISH:
                self._objections.add(fingerprint(observation.text))
            elif action.kind is ActionKind.SHELL and runs_command(action.text, self._candidate.task.test_command):
                self._is_tested = observation.exit_code == 0
            elif not only_looks(action):
                self._is_tested = False

    def _judge_end(
        self, carried: ExecutionResult, actions: Sequence[Action], number: int
    ) -> tuple[ExecutionResult, StrategyResult | None]:
        """Accept the end of the work, or send it back with what speaks against it, unless that was said before."""
        if carried.end is None:
            return carried, None
        if carried.end.kind is ActionKind.GIVE_UP:
            return carried, StrategyResult(stop_reason=StopReason.GAVE_UP, summary=carried.end.text)
        done = StrategyResult(stop_reason=StopReason.FINISHED, summary=carried.end.text)
        if self._stands and all(only_looks(action) for action in actions if action is not carried.end):
            return carried, done
        objection = self._objection(carried, actions, number)
        if objection is None or fingerprint(objection.text) in self._objections:
            return carried, done
        at = actions.index(carried.end)
        observations = (*carried.observations[:at], objection, *carried.observations[at + 1 :])
        return replace(carried, observations=observations, end=None), None

    def _objection(self, carried: ExecutionResult, actions: Sequence[Action], number: int) -> Observation | None:
        this_step = tuple(zip(actions, carried.observations, strict=True))
        if self._workspace.changes() == "":  # a command that should have changed something may have found nothing
            text = (
                "not accepted yet: no file differs from the start. Make the change, or finish again if none is needed"
            )
            return Observation(text=text, exit_code=1)
        tested = self._is_tested
        for action, observation in this_step:
            if action.kind is ActionKind.SHELL and runs_command(action.text, self._candidate.task.test_command):
                tested = observation.exit_code == 0
            elif not only_looks(action) and action.kind is not ActionKind.FINISH:
                tested = False
        result = None if tested else self._workspace.test()
        if result is None or (result.exit_code == 0 and not result.timed_out):
            return None
        text, was_cut = format_result(result, step=number, most=self._room.most_told, outputs=self._outputs)
        told = (
            f"not accepted yet: the tests were run and fail. {text}\nMend what you broke, then finish again. If these "
            "tests failed before your change too, or contradict the task, finish or give up and say so."
        )
        return Observation(text=told, exit_code=result.exit_code or 1, seconds=result.seconds, truncated=was_cut)

    def _judge_progress(
        self, carried: ExecutionResult, actions: Sequence[Action], number: int, ending: StrategyResult | None
    ) -> tuple[ExecutionResult, StrategyResult | None]:
        """Answer loops and fruitless replies; say when few steps are left."""
        nudge = self._guard.add(calls_of(actions, carried.observations))
        if ending is not None:
            return carried, ending
        if nudge is not None and nudge.response is Response.STOP:
            return carried, StrategyResult(stop_reason=StopReason.LOOP, summary=nudge.text)
        if not holds_action(tuple(actions)) and self._fruitless + 1 >= FRUITLESS:
            return carried, StrategyResult(
                stop_reason=StopReason.LOOP, summary=f"{FRUITLESS} replies in a row held no action"
            )
        remarks = [nudge.text] if nudge is not None else []
        left = self._candidate.max_steps - number
        if left == _LAST_STEPS and self._candidate.max_steps - self._before > 2 * _LAST_STEPS:
            remarks.append(f"{left} steps are left: bring the work to a state that can be kept, then finish.")
        if not remarks:
            return carried, None
        *before, last = carried.observations
        told = replace(last, text=last.text + "".join(REMARK + remark for remark in remarks))
        return replace(carried, observations=(*before, told)), None


def _protocol(candidate: CandidateInput, model: Model) -> str:
    if candidate.protocol != "auto":
        return candidate.protocol
    return "tools" if model.supports_tools else "text"


def _repetition() -> tuple[Action, ...]:
    return (Action(kind=ActionKind.INVALID, text=_REPETITION),)


class _Watch:
    """Reads along while a reply streams and ends it when it repeats itself or the work must stop."""

    _EVERY = 1_500

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._text = ""
        self._unchecked = 0
        self.repeats = False
        self._last_asked = 0.0

    def see(self, text: str) -> None:
        self._text = (self._text + text)[-8_000:]
        self._unchecked += len(text)
        if self._unchecked >= self._EVERY:
            self._unchecked = 0
            self.repeats = self.repeats or repeats_itself(self._text)

    def is_over(self) -> bool:
        if self.repeats:
            return True
        now = time.monotonic()
        if now - self._last_asked < 0.05:  # asked for every piece of a stream
            return False
        self._last_asked = now
        return self._stop() is not None
