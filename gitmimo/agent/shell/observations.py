"""Command output in prompts: fenced, escaped, shortened, and kept whole for `show`."""

import re
from collections.abc import Sequence

from gitmimo.records import CommandResult, Step
from gitmimo.text import cut_middle, escape_controls

_MOST_KEPT = 1_000_000
_FAILED_ID = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.MULTILINE)
_STYLE = re.compile(r"\x1b\[[\d;:]*[mK]")


Outputs = dict[str, str]
"""Whole outputs of this run by their marks, of those that were cut."""


def mark_of(step: int, position: int, count: int) -> str:
    """The mark of an observation: `3`, or `3.2` for the second of several in step 3. Both count from 1."""
    return f"{step}" if count == 1 else f"{step}.{position}"


def find_output(mark: str, steps: Sequence[Step], outputs: Outputs) -> str | None:
    """The whole output with this mark, or all outputs of a step; None when there is none."""
    number, _, position = mark.partition(".")
    step = next((step for step in reversed(steps) if str(step.number) == number), None)
    if step is None:
        return None
    count = len(step.observations)
    wanted = [index for index in range(1, count + 1) if not position or str(index) == position]
    texts = []
    for index in wanted:
        shown = step.observations[index - 1].text.replace("<output>\n", "").replace("\n</output>", "")
        texts.append(outputs.get(mark_of(step.number, index, count), shown))
    return "\n\n".join(texts) if texts else None


def format_result(result: CommandResult, *, mark: str, most: int, outputs: Outputs) -> tuple[str, bool]:
    """A command's result for a model, and whether its output was cut. A cut output is kept whole under the mark."""
    took = f"{result.seconds:.1f} s"
    if result.timed_out:
        head = f"stopped at its time limit after {took}"
    elif result.killed_by_limit:
        head = f"stopped at a limit ({result.killed_by_limit}), exit {result.exit_code}, {took}"
    else:
        head = f"exit {result.exit_code}, {took}"
    whole = escape_controls(without_colours(result.output)).rstrip("\n")
    if not whole.strip():
        return f"{head}, no output", False
    shown, was_cut = shorten(whole, most=most, pointer=f"show {mark}")
    if was_cut:
        outputs[mark] = whole[:_MOST_KEPT]
    return f"{head}\n{as_data(shown)}", was_cut or result.truncated


def without_colours(output: str) -> str:
    """An output without what would only have coloured or styled it on a terminal."""
    return _STYLE.sub("", output)


def failed_ids(output: str) -> tuple[str, ...]:
    """Ids of failing tests, as pytest's summary names them."""
    return tuple(dict.fromkeys(_FAILED_ID.findall(without_colours(output))))


def shorten(text: str, *, most: int, pointer: str) -> tuple[str, bool]:
    """Cut the middle out of a text that is longer than `most` by more than a quarter; says whether it was cut."""
    if len(text) <= most + most // 4:
        return text, False
    return cut_middle(text, most, pointer=pointer), True


def as_data(text: str) -> str:
    """A text from outside between marks that it can't close itself."""
    safe = text.replace("</output", "<\\/output")
    return f"<output>\n{safe}\n</output>"
