"""The shell strategy: one model call a step, its actions carried out, until it finishes, gives up or must stop."""

import time
from collections.abc import Sequence
from dataclasses import replace

from gitmimo.agent.interface import Stop, StrategyResult, Work
from gitmimo.agent.prompts import read_prompt
from gitmimo.agent.shell.context import Context, room_for
from gitmimo.agent.shell.execute import ACCEPTED, ActionExecutor
from gitmimo.agent.shell.finish_check import FinishCheck
from gitmimo.agent.shell.opening import example, opening_text, short_opening, suite_text
from gitmimo.agent.shell.stuck_detector import REMARK, Intervention, StuckDetector, calls_of, repeats_itself
from gitmimo.agent.shell.tools import has_action, offered_tools, read_actions, with_call_ids
from gitmimo.cancel import CancelToken
from gitmimo.errors import ContextOverflow
from gitmimo.ids import utc_now
from gitmimo.llm.model import ChatRequest
from gitmimo.records import Action, ActionKind, Message, Observation, Reply, Step, StopReason

_FRUITLESS = 3  # replies in a row without an action: the work ends
_LAST_STEPS = 5
_LONGEST_TITLE = 100
_REPETITION = "the reply repeated itself and was stopped; say something else, in few words"


def run_shell(work: Work) -> StrategyResult:
    """Work on a candidate with commands and edits.

    Ends by FINISH (after failing tests, or no change at all, were pointed out), GIVE_UP, at the most steps, when
    the same thing is done again and again, after three replies without an action, or when `stop` says so.
    """
    return _ShellAgent(work).run()


class _ShellAgent:
    """One run of the strategy. What it knows follows from the steps alone, so a resumed one knows the same."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._candidate = candidate = work.candidate
        self._workspace = workspace = work.workspace
        info = work.model.info
        self._protocol = candidate.protocol
        if self._protocol == "auto":
            self._protocol = "tools" if info.supports_tools else "text"
        self._is_guided = self._protocol == "text" and info.is_small
        self._room = room_for(info.window, candidate.max_output_tokens or info.max_output)
        self._executor = ActionExecutor(candidate, workspace, most=self._room.most_shown, stop=work.stop)
        show, asks = self._executor.format_result, self._protocol == "tools"
        self._finish = FinishCheck(candidate, workspace, show=show, asks=asks)
        self._knows_suite = workspace.base_suite() is not None or not candidate.task.test_command
        self._context = self._open_context()
        self._stuck = StuckDetector()
        self._fruitless = 0

    def run(self) -> StrategyResult:
        """Take in the history, then go on after it. An end in the history counts, unless feedback answered it."""
        first = self._candidate.steps_before + 1
        history = iter(self._candidate.history)
        answered = {each.after_step for each in self._candidate.feedback}
        for number in range(first, self._candidate.max_steps + 1):
            step: Step | None = next(history, None)
            if step is not None:
                intervention = self._stuck.add(calls_of(step.actions, step.observations))
                end = None if number in answered else self._end_of(step.actions, step.observations, intervention)
            else:
                step, end = self._take_step(number)
            if step is not None:
                self._context.add(step)
                self._executor.remember(step)
                self._finish.remember(step)
                self._fruitless = 0 if has_action(step.actions) else self._fruitless + 1
            if end is not None:
                return replace(end, steps=number - first + (step is not None))
        most = self._candidate.max_steps
        summary = f"reached the limit of {most} steps"
        return StrategyResult(stop_reason=StopReason.STEPS, summary=summary, steps=max(0, most - first + 1))

    def _take_step(self, number: int) -> tuple[Step | None, StrategyResult | None]:
        """Ask, carry out the reply, record the step; and how the work ends by it. No step where it was stopped."""
        reason = self._work.stop()
        if reason is not None:
            return None, StrategyResult(stop_reason=reason)
        started = utc_now()
        reply, repeats = self._ask()
        if reply.finish_reason == "cancelled" and not repeats:
            return None, StrategyResult(stop_reason=self._work.stop() or StopReason.INTERRUPTED)
        reply = with_call_ids(reply, number)
        actions = read_actions(reply, protocol=self._protocol)
        if repeats:
            call_id = reply.tool_calls[0].id if reply.tool_calls else ""
            actions = (Action(kind=ActionKind.INVALID, text=_REPETITION, call_id=call_id),)
        observations = self._executor.carry_out(actions, step=number)
        for at, (action, observation) in enumerate(zip(actions, observations, strict=True)):
            if action.kind is ActionKind.FINISH and observation.text == ACCEPTED:
                observations[at] = self._finish.objection(actions, observations, step=number) or observation
        intervention = self._stuck.add(calls_of(actions, observations))
        end = self._end_of(actions, observations, intervention)
        if end is None:
            remarks = self._remarks(intervention, number)
            last = observations[-1]
            observations[-1] = replace(last, text=last.text + "".join(REMARK + remark for remark in remarks))
        changed = [action.path for action, each in zip(actions, observations, strict=True) if each.changed]
        step = Step(
            number=number,
            reply=reply,
            actions=actions,
            observations=tuple(observations),
            started=started,
            changed_paths=tuple(dict.fromkeys(filter(None, changed))),
        )
        return self._work.record(step), end

    def _end_of(
        self, actions: Sequence[Action], observations: Sequence[Observation], intervention: Intervention | None
    ) -> StrategyResult | None:
        """How a step ends the work: by an accepted end, a loop, or the third reply in a row without an action."""
        for action, observation in zip(actions, observations, strict=True):
            if action.kind is ActionKind.FINISH and observation.text == ACCEPTED:
                title, summary = _title_of(action)
                return StrategyResult(stop_reason=StopReason.FINISHED, summary=summary, title=title)
            if action.kind is ActionKind.GIVE_UP and observation.text == ACCEPTED:
                return StrategyResult(stop_reason=StopReason.GAVE_UP, summary=action.text)
        if intervention is not None and intervention.is_end:
            return StrategyResult(stop_reason=StopReason.LOOP, summary=intervention.text)
        if not has_action(actions) and self._fruitless + 1 >= _FRUITLESS:
            summary = f"{_FRUITLESS} replies in a row held no action"
            return StrategyResult(stop_reason=StopReason.LOOP, summary=summary)
        return None

    def _remarks(self, intervention: Intervention | None, number: int) -> list[str]:
        """What the model is told besides: that it repeats itself, new facts, hints, few remaining steps."""
        remarks = [intervention.text] if intervention is not None else []
        if not self._knows_suite and not self._is_guided and (suite := self._workspace.base_suite()) is not None:
            self._knows_suite = True
            remarks.append(suite_text(suite))
        remarks += [f"The person who started this says: {text}" for text in self._workspace.hints()]
        left = self._candidate.max_steps - number
        if left == _LAST_STEPS and self._candidate.max_steps - self._candidate.steps_before > 2 * _LAST_STEPS:
            remarks.append(f"{left} steps are left: bring the work to a state that can be kept, then finish.")
        return remarks

    def _open_context(self) -> Context:
        candidate = self._candidate
        if self._is_guided:
            opening = short_opening(candidate, self._room)
        else:
            facts, suite = self._workspace.facts(), self._workspace.base_suite()
            opening = opening_text(candidate, facts, suite, root=self._workspace.root, room=self._room)
        return Context(
            Message(role="system", content=read_prompt("small" if self._is_guided else self._protocol)),
            *(example() if self._is_guided else ()),
            Message(role="user", content=opening),
            tools=offered_tools(is_folded=True) if self._protocol == "tools" else (),
            room=self._room,
            changes=self._workspace.changes,
            feedback=candidate.feedback,
        )

    def _ask(self) -> tuple[Reply, bool]:
        """One model call, and whether the reply repeats itself. A prompt that is too long is cut and sent again."""
        while True:
            sent = self._context.messages()
            watch = _StreamWatch(self._work.stop)
            request = ChatRequest(
                messages=sent,
                tools=offered_tools(is_folded=self._context.is_folded) if self._protocol == "tools" else (),
                temperature=self._candidate.temperature,
                max_tokens=self._room.output,
                seed=self._candidate.seed,
                on_text=watch.see,
                cancel=CancelToken(watch.is_over),
            )
            try:
                reply = self._work.model.complete(request)
            except ContextOverflow:
                if not self._context.overflowed():
                    raise
                continue
            self._context.learn(sent, reply)
            return reply, watch.repeats or (not reply.tool_calls and repeats_itself(reply.text))


def _title_of(end: Action) -> tuple[str, str]:
    """The change's title and its summary; in the text protocol the first line is the title where more follows."""
    first, _, rest = end.text.partition("\n")
    if end.title or not rest.strip() or len(first) > _LONGEST_TITLE:
        return end.title, end.text
    return first.strip(), rest.strip()


class _StreamWatch:
    """Watches a streaming reply and ends it when it repeats itself or the work must stop."""

    _EVERY = 1_500  # characters

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
        now = time.monotonic()
        if self.repeats or now - self._last_asked < 0.05:  # asked for every piece of a stream
            return self.repeats
        self._last_asked = now
        return self._stop() is not None
