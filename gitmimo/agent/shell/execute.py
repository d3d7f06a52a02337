"""Carries out the actions of one reply in a worktree, in order, and says what came of each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.agent.interface import CandidateInput, Stop, Workspace
from gitmimo.agent.shell.actions import MOST_CALLS, only_looks
from gitmimo.agent.shell.apply_edit import apply_change
from gitmimo.agent.shell.observations import OutputStore, as_data, cut_middle, format_result, span_of
from gitmimo.records import Action, ActionKind, Observation, Step

_LONGEST_COMMAND_S = 1_800.0
_NOT_AFTER_FAILURE = "not run: an earlier action of this reply failed"
_NOT_AFTER_END = "not run: the reply ended the work before it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What came of a reply's actions. `end` is the FINISH or GIVE_UP that was reached, if any."""

    observations: tuple[Observation, ...]
    changed_paths: tuple[str, ...] = ()
    end: Action | None = None


class ActionExecutor:
    """Does what a reply asks for. Failures are observations; only what the workspace raises passes through."""

    def __init__(
        self, candidate: CandidateInput, workspace: Workspace, outputs: OutputStore, *, most_told: int, stop: Stop
    ) -> None:
        self._candidate = candidate
        self._workspace = workspace
        self._outputs = outputs
        self._most = most_told
        self._stop = stop
        self._steps: list[Step] = []

    def remember(self, step: Step) -> None:
        """Make a kept step available to `show`."""
        self._steps.append(step)

    def carry_out(self, actions: Sequence[Action], *, step: int) -> ExecutionResult:
        """Carry out a reply's actions.

        More than 16 are a flood, and none is run. After one that failed, only those that surely change nothing are
        run. Nothing is run after FINISH or GIVE_UP, or once the work is to stop.
        """
        if len(actions) > MOST_CALLS:
            text = f"not run: {len(actions)} actions in one reply, at most {MOST_CALLS} are run; send fewer"
            return ExecutionResult(observations=tuple(Observation(text=text) for _ in actions))
        observations: list[Observation] = []
        paths: dict[str, None] = {}
        end: Action | None = None
        has_failed = False
        for action in actions:
            if end is not None:
                observations.append(Observation(text=_NOT_AFTER_END))
                continue
            if has_failed and not only_looks(action):
                observations.append(Observation(text=_NOT_AFTER_FAILURE))
                continue
            if self._stop() is not None:
                observations.append(Observation(text="not run: the work was stopped"))
                continue
            observation, path = self._carry_out_one(action, step)
            observations.append(observation)
            paths |= {path: None} if path else {}
            if action.kind in (ActionKind.FINISH, ActionKind.GIVE_UP):
                end = action
            has_failed = has_failed or _is_failure(action, observation)
        return ExecutionResult(observations=tuple(observations), changed_paths=tuple(paths), end=end)

    def _carry_out_one(self, action: Action, step: int) -> tuple[Observation, str]:
        if action.kind is ActionKind.SHELL:
            return self._run(action, step), ""
        if action.kind in (ActionKind.EDIT, ActionKind.WRITE):
            change = apply_change(self._workspace.root, action)
            return Observation(text=change.text, exit_code=0 if change.done else 1), change.path
        if action.kind is ActionKind.SHOW:
            return self._show(action.text), ""
        texts = {
            ActionKind.NOTE: "noted" if action.text.strip() else "an empty note is not kept",
            ActionKind.PLAN: "the plan is kept",
            ActionKind.FINISH: "accepted",
            ActionKind.GIVE_UP: "accepted",
        }
        return Observation(text=texts.get(action.kind, action.text)), ""

    def _run(self, action: Action, step: int) -> Observation:
        limit = min(action.timeout_s or self._candidate.command_timeout_s, _LONGEST_COMMAND_S)
        result = self._workspace.run(action.text, timeout_s=limit)
        text, was_cut = format_result(result, step=step, most=self._most, outputs=self._outputs)
        code = result.exit_code if result.exit_code or not result.timed_out else 124
        return Observation(text=text, exit_code=code, seconds=result.seconds, truncated=was_cut)

    def _show(self, wanted: str) -> Observation:
        found = re.search(r"(\d+)(?:\D+(\d+(?:\s*-\s*\d+)?))?", wanted)
        if not found:
            return Observation(text="show needs the number of a step", exit_code=1)
        number, span = int(found[1]), (found[2] or "").replace(" ", "")
        whole = self._whole(number)
        if whole is None:
            return Observation(text=f"there is no step {number} yet", exit_code=1)
        total = whole.count("\n") + 1
        part = span_of(whole, span)
        told, was_cut = cut_middle(part, most=self._most, pointer=f"show {number} with lines, like {number} 100-180")
        text = f"step {number}, {'lines ' + span if span else 'whole'} of {total} lines\n{as_data(told)}"
        return Observation(text=text, exit_code=0, truncated=was_cut)

    def _whole(self, number: int) -> str | None:
        if number == 0:
            return self._candidate.task.text
        kept = self._outputs.read(number)
        if kept is not None:
            return kept.rstrip("\n")
        step = next((step for step in reversed(self._steps) if step.number == number), None)
        if step is None:
            return None
        return "\n\n".join(_bare(observation.text) for observation in step.observations)


def _bare(text: str) -> str:
    """An observation without the marks that will be put around it again."""
    return text.replace("<output>\n", "").replace("\n</output>", "")


def _is_failure(action: Action, observation: Observation) -> bool:
    """Whether what comes after must not be done: a look that finds nothing is no failure."""
    if action.kind is ActionKind.INVALID:
        return True
    return observation.exit_code not in (None, 0) and not only_looks(action)
