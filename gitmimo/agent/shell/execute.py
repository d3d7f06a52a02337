"""Executes the actions of one reply in a worktree, in order, and returns an observation for each.

Outputs are shown fenced, escaped and shortened; those that were cut are kept whole for `show`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from gitmimo.agent.interface import CandidateInput, Stop, Workspace
from gitmimo.agent.shell.apply_edit import apply_change, numbered, read_lines
from gitmimo.records import Action, ActionKind, CommandResult, Observation, Step
from gitmimo.text import as_data, cut_middle, escape_controls

LONGEST_COMMAND_S = 1_800.0
ACCEPTED = "accepted"  # the observation of a FINISH or GIVE_UP that ends the work
_MOST_CALLS = 16  # more than this in one reply is a flood: none is run
_PIPE_CLOSED = 141  # with pipefail, of a program whose reader had enough, like `git log | head`
_NOT_AFTER_FAILURE = "not run: an earlier action of this reply failed"
_NOT_AFTER_END = "not run: the reply ended the work before it"
_CHANGING = (ActionKind.SHELL, ActionKind.EDIT, ActionKind.WRITE)
_ENDS = (ActionKind.FINISH, ActionKind.GIVE_UP)
_MOST_KEPT = 1_000_000  # characters of an output
_FAILED_ID = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.MULTILINE)
_STYLE = re.compile(r"\x1b\[[\d;:]*[mK]")


class ActionExecutor:
    """Executes the actions of a reply. Failures are observations; only what the workspace raises passes through."""

    def __init__(self, candidate: CandidateInput, workspace: Workspace, *, most: int, stop: Stop) -> None:
        """`most` is how many characters of one output are shown."""
        self._candidate = candidate
        self._workspace = workspace
        self._most = most
        self._stop = stop
        self._steps: list[Step] = []
        self._outputs: dict[str, str] = {}  # whole, by mark, of those that were cut
        self._tree: str | None = None  # the state of the files, if known; nothing changes them between two replies

    def remember(self, step: Step) -> None:
        """Make a kept step available to `show`."""
        self._steps.append(step)

    def carry_out(self, actions: Sequence[Action], *, step: int) -> list[Observation]:
        """Carry out a reply's actions.

        More than 16 calls are a flood, and none is run. After an edit or a call that failed, and after a command that
        failed and changed files, nothing that could change files is run; after any failure the work can't end. Nothing
        is run after FINISH or GIVE_UP, or once the work is to stop.
        """
        calls = len({action.call_id or str(index) for index, action in enumerate(actions)})
        if calls > _MOST_CALLS:
            text = f"not run: {calls} calls in one reply, at most {_MOST_CALLS} are run; send fewer"
            return [Observation(text=text) for _ in actions]
        observations: list[Observation] = []
        has_failed = is_blocked = is_over = False
        for position, action in enumerate(actions, start=1):
            if is_over:
                observations.append(Observation(text=_NOT_AFTER_END))
            elif (is_blocked and action.kind in _CHANGING) or (has_failed and action.kind is ActionKind.FINISH):
                observations.append(Observation(text=_NOT_AFTER_FAILURE))
            elif self._stop() is not None:
                observations.append(Observation(text="not run: the work was stopped"))
            else:
                observation = self._carry_out_one(action, mark_of(step, position, len(actions)))
                observations.append(observation)
                is_over = action.kind in _ENDS
                has_failed = has_failed or _has_failed(action, observation)
                is_blocked = is_blocked or _blocks(action, observation)
        if is_over:
            self._tree = None  # the checks of a finish run the tests
        return observations

    def format_result(self, result: CommandResult, mark: str) -> tuple[str, bool]:
        """A command's result for a model, and whether its output was cut. A cut output is kept whole under the mark."""
        took = f"{result.seconds:.1f} s"
        if result.timed_out:
            head = f"stopped at its time limit after {took}"
        elif result.killed_by_limit:
            head = f"stopped at a limit ({result.killed_by_limit}), exit {result.exit_code}, {took}"
        else:
            head = f"exit {result.exit_code}, {took}"
        whole = escape_controls(_STYLE.sub("", result.output)).rstrip("\n")
        if not whole.strip():
            return f"{head}, no output", False
        shown, was_cut = shorten(whole, most=self._most, pointer=f"show {mark}")
        if was_cut:
            self._outputs[mark] = whole[:_MOST_KEPT]
        return f"{head}\n{as_data(shown)}", was_cut or result.truncated

    def _carry_out_one(self, action: Action, mark: str) -> Observation:
        if action.kind is ActionKind.SHELL:
            return self._run(action, mark)
        if action.kind in (ActionKind.EDIT, ActionKind.WRITE):
            self._tree = None
            return apply_change(self._workspace.root, action)
        if action.kind is ActionKind.READ:
            return read_lines(self._workspace.root, action, most=self._most)
        if action.kind is ActionKind.SHOW:
            return self._show(action)
        texts = {
            ActionKind.NOTE: "noted" if action.text.strip() else "an empty note is not kept",
            ActionKind.PLAN: "the plan is kept",
            ActionKind.FINISH: ACCEPTED,
            ActionKind.GIVE_UP: ACCEPTED,
        }
        return Observation(text=texts.get(action.kind, action.text))

    def _run(self, action: Action, mark: str) -> Observation:
        limit = min(action.timeout_s or self._candidate.command_timeout_s, LONGEST_COMMAND_S)
        before = self._workspace.tree_id() if self._tree is None else self._tree
        result = self._workspace.run(action.text, timeout_s=limit)
        self._tree = self._workspace.tree_id()
        if result.exit_code == _PIPE_CLOSED:
            result = replace(result, exit_code=0)
        text, was_cut = self.format_result(result, mark)
        code = result.exit_code if result.exit_code or not result.timed_out else 124
        changed = self._tree != before
        return Observation(text=text, exit_code=code, seconds=result.seconds, truncated=was_cut, changed=changed)

    def _show(self, action: Action) -> Observation:
        mark = action.text.strip().removeprefix("step").strip(" #[]")
        is_task = mark == "0"
        whole = self._candidate.task.text if is_task else self._find_output(mark)
        if whole is None:
            return Observation(text=f"there is no output {mark[:20]} yet; they are called 3, or 3.2", exit_code=1)
        lines = whole.split("\n")
        first, last = max(1, action.first), min(action.last or len(lines), len(lines))
        part = "\n".join(lines) if is_task else numbered(lines[first - 1 : last], first)
        shown, was_cut = shorten(part, most=self._most, pointer=f"show {mark} from line to line")
        head = f"output {mark}, lines {first} to {last} of {len(lines)}"
        return Observation(text=f"{head}\n{as_data(shown)}", exit_code=0, truncated=was_cut)

    def _find_output(self, mark: str) -> str | None:
        """The whole output with this mark, or all outputs of a step; None when there is none."""
        number, _, position = mark.partition(".")
        step = next((step for step in reversed(self._steps) if str(step.number) == number), None)
        if step is None:
            return None
        texts = []
        for index, observation in enumerate(step.observations, start=1):
            if not position or str(index) == position:
                shown = observation.text.replace("<output>\n", "").replace("\n</output>", "")
                texts.append(self._outputs.get(mark_of(step.number, index, len(step.observations)), shown))
        return "\n\n".join(texts) if texts else None


def mark_of(step: int, position: int, count: int) -> str:
    """The mark of an observation: `3`, or `3.2` for the second of several in step 3. Both count from 1."""
    return f"{step}" if count == 1 else f"{step}.{position}"


def failed_ids(output: str) -> tuple[str, ...]:
    """Ids of failing tests, as pytest's summary names them."""
    return tuple(dict.fromkeys(_FAILED_ID.findall(_STYLE.sub("", output))))


def shorten(text: str, *, most: int, pointer: str) -> tuple[str, bool]:
    """Cut the middle out of a text that is longer than `most` by more than a quarter; says whether it was cut."""
    if len(text) <= most + most // 4:
        return text, False
    return cut_middle(text, most, pointer=pointer), True


def _has_failed(action: Action, observation: Observation) -> bool:
    return action.kind is ActionKind.INVALID or observation.exit_code not in (None, 0)


def _blocks(action: Action, observation: Observation) -> bool:
    """Whether later actions must not change files. A failed command that changed nothing does not block."""
    if action.kind is ActionKind.SHELL:
        return observation.exit_code != 0 and observation.changed
    return action.kind in (ActionKind.EDIT, ActionKind.WRITE, ActionKind.INVALID) and _has_failed(action, observation)
