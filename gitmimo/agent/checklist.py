"""The list strategy: works through a task that is a list, one conversation for each item.

For small and local models, which lose the thread of a long conversation: each item is a task of a few steps. Where
an item's steps end follows from the steps alone, so a resumed run goes on at the item where it was.
"""

import re
from dataclasses import replace

from gitmimo.agent.interface import StrategyResult, Work
from gitmimo.agent.shell.agent import run_shell
from gitmimo.records import StopReason, Task

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
    items, history = items_of(candidate.task.text) or (candidate.task.text,), candidate.history
    left: list[int] = []
    taken = 0
    for number, item in enumerate(items, start=1):
        is_done = False
        if taken < candidate.max_steps:
            part = f"\n\n{_PART.format(number=number, count=len(items))}" if len(items) > 1 else ""
            # tests may fail until the last item is done, so that an item is known by what it changes
            unchanged = "" if history else work.workspace.changes() or ""
            item_input = replace(
                candidate,
                task=Task(text=item + part),
                approach="",
                max_steps=min(taken + _STEPS_AN_ITEM, candidate.max_steps),
                history=history,
                steps_before=taken,
                unchanged=unchanged,
            )
            ending = run_shell(replace(work, candidate=item_input))
            is_new = ending.steps > len(history)
            if work.stop() is not None and (is_new or ending.stop_reason is not StopReason.FINISHED):
                return ending
            is_done = ending.stop_reason is StopReason.FINISHED
            if is_new:
                is_done = is_done and work.workspace.changes() != unchanged
            taken, history = taken + ending.steps, history[ending.steps :]
        left += [] if is_done else [number]
    done = f"{len(items) - len(left)} of {len(items)} items done"
    summary = f"{done}; not done: {', '.join(map(str, left))}" if left else done
    is_cut = taken >= candidate.max_steps and bool(left)
    return StrategyResult(stop_reason=StopReason.STEPS if is_cut else StopReason.FINISHED, summary=summary)
