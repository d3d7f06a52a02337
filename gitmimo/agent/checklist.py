"""The list strategy: works through a task that is a list, one conversation for each item.

For small and local models, which lose the thread of a long conversation: each item is a task of a few steps. Where
an item's steps end follows from the steps alone, so a resumed run goes on at the item where it was.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gitmimo.agent.interface import StrategyResult, Work
from gitmimo.agent.shell.agent import FRUITLESS, run_shell
from gitmimo.agent.shell.stuck_detector import StuckDetector, calls_of
from gitmimo.agent.shell.tools import has_action
from gitmimo.records import ActionKind, Step, StopReason, Task

_FEWEST = 3  # a list of two is a sentence
_STEPS_AN_ITEM = 8
_PART = "This is part {number} of {count}; the others are not yours. FINISH when it is done."
_ITEM = re.compile(r"^(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[(?P<mark>[ xX])\][ \t]+)?(?P<text>\S.*)$")

_OF_A_FAULT = re.compile(
    r"\b(?:reproduc\w*|repro|expect\w*|actual\w*|observed|happen\w*|bugs?|crash\w*|fail\w*|wrong|errors?|broken)\b",
    re.I,
)


def items_of(text: str) -> tuple[str, ...]:
    """The items of a task that is a list, after some words of introduction; empty for any other task.

    Checked items (`- [x]`) are left out, indented lines belong to the item before them.
    """
    items: list[str] = []
    checked = 0
    is_open = False
    for line in text.split("\n"):
        found = _ITEM.match(line)
        if found:
            is_open = (found["mark"] or "") not in ("x", "X")
            checked += not is_open
            items += [found["text"].strip()] if is_open else []
        elif line[:1] in (" ", "\t") and line.strip() and items and is_open:
            items[-1] += f"\n{line.strip()}"
        elif line.strip() and items:
            return ()  # goes on in prose: the items are not the whole task
    return tuple(items) if len(items) + checked >= _FEWEST else ()


def is_todo_list(text: str) -> bool:
    """Whether a task is a list of things to do, and not the steps to reproduce a bug."""
    items = items_of(text)
    return bool(items) and not _OF_A_FAULT.search(text[: text.index(items[0].split("\n")[0])])


def run_items(work: Work) -> StrategyResult:
    """Do item after item, each in at most eight steps; the end names those that were given up or changed nothing.

    A task that is no list is one item. Ends as finished when each had its turn; the tests are the evaluator's then.
    """
    candidate = work.candidate
    items, history = items_of(candidate.task.text) or (candidate.task.text,), iter(candidate.history)
    left: list[int] = []
    taken = 0
    for number, item in enumerate(items, start=1):
        own = _own_steps(history)
        is_done = _ends(own, ActionKind.FINISH)
        if not _is_over(own) and taken < candidate.max_steps:
            part = f"\n\n{_PART.format(number=number, count=len(items))}" if len(items) > 1 else ""
            unchanged = "" if own else work.workspace.changes() or ""  # tests may fail until the last item is done
            item_input = replace(
                candidate,
                task=Task(text=item + part),
                approach="",
                max_steps=min(taken + _STEPS_AN_ITEM, candidate.max_steps),
                history=tuple(own),
                steps_before=taken,
                unchanged=unchanged,
            )

            def record(step: Step, own: list[Step] = own) -> Step:
                own.append(work.record(step))
                return own[-1]

            ending = run_shell(replace(work, candidate=item_input, record=record))
            if work.stop() is not None:
                return ending
            is_done = _ends(own, ActionKind.FINISH) and work.workspace.changes() != unchanged
        taken += len(own)
        left += [] if is_done else [number]
    done = f"{len(items) - len(left)} of {len(items)} items done"
    summary = f"{done}; not done: {', '.join(map(str, left))}" if left else done
    is_cut = taken >= candidate.max_steps and bool(left)
    return StrategyResult(stop_reason=StopReason.STEPS if is_cut else StopReason.FINISHED, summary=summary)


def _own_steps(history: Iterator[Step]) -> list[Step]:
    """The next item's steps from before the interruption."""
    own: list[Step] = []
    while not _is_over(own) and (step := next(history, None)) is not None:
        own.append(step)
    return own


def _is_over(steps: Sequence[Step]) -> bool:
    """Whether an item's steps are over: it ended, reached the most steps, is in a loop, or did nothing."""
    if len(steps) >= _STEPS_AN_ITEM or _ends(steps, ActionKind.FINISH, ActionKind.GIVE_UP):
        return True
    guard = StuckDetector()
    nudges = [guard.add(calls_of(step.actions, step.observations)) for step in steps]
    if any(nudge is not None and nudge.is_end for nudge in nudges[-1:]):
        return True
    return len(steps) >= FRUITLESS and not any(has_action(step.actions) for step in steps[-FRUITLESS:])


def _ends(steps: Sequence[Step], *kinds: ActionKind) -> bool:
    """Whether the last step ends the run in one of these ways: a rejected end has an exit code."""
    return any(
        action.kind in kinds and observation.exit_code is None
        for step in steps[-1:]
        for action, observation in zip(step.actions, step.observations, strict=True)
    )
