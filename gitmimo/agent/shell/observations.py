"""Output as a model is told it: fenced, made visible, cut in the middle, and kept whole beside the worktree."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitmimo.records import CommandResult
from gitmimo.text import escape_controls

MOST_TOLD = 10_000  # characters: half from the beginning, half from the end
_MOST_KEPT = 1_000_000


class OutputStore:
    """Whole outputs by step number, in files of a directory of its own. Losing it loses no work."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, step: int, text: str) -> bool:
        """Add a text to what is kept of a step; false when the disk does not take it."""
        try:
            with self._path(step).open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                if file.tell() > _MOST_KEPT:
                    return False
                file.write(text[:_MOST_KEPT])
                file.write("" if text.endswith("\n") else "\n")
        except OSError:
            return False
        return True

    def read(self, step: int) -> str | None:
        """All that is kept of a step; None when nothing is."""
        try:
            return self._path(step).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def _path(self, step: int) -> Path:
        return self._directory / f"{step:05d}.txt"


@contextmanager
def open_outputs(directory: Path | None) -> Iterator[OutputStore]:
    """OutputStore in the given directory, or in a temporary one that goes with them."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield OutputStore(directory)
        return
    with tempfile.TemporaryDirectory(prefix="mimo-outputs-", ignore_cleanup_errors=True) as made:
        yield OutputStore(Path(made))


def format_result(result: CommandResult, *, step: int, most: int, outputs: OutputStore) -> tuple[str, bool]:
    """A command's result for a model, and whether its output was cut. A cut output is kept whole under the step."""
    if result.timed_out:
        head = f"stopped at its time limit after {result.seconds:.0f} s"
    elif result.killed_by_limit:
        head = f"stopped at a limit ({result.killed_by_limit}), exit {result.exit_code}"
    else:
        head = f"exit {result.exit_code}"
    whole = escape_controls(result.output).rstrip("\n")
    if not whole.strip():
        return f"{head}, no output", False
    told, was_cut = cut_middle(whole, most=most, pointer=f"show {step}")
    if was_cut:
        outputs.keep(step, whole)
    return f"{head}\n{as_data(told)}", was_cut or result.truncated


def as_data(text: str) -> str:
    """A text from outside between marks that it can't close itself."""
    safe = text.replace("</output", "<\\/output")
    return f"<output>\n{safe}\n</output>"


def cut_middle(text: str, *, most: int, pointer: str) -> tuple[str, bool]:
    """Keep the first and the last half, at line ends where there are any near, and say what is missing."""
    if len(text) <= most:
        return text, False
    half = most // 2
    head, tail = text[:half], text[-half:]
    if (at := head.rfind("\n", half - half // 4)) > 0:
        head = head[:at]
    if (at := tail.find("\n", 0, half // 4)) >= 0:
        tail = tail[at + 1 :]
    first = head.count("\n") + 2
    last = text.count("\n") + 1 - tail.count("\n") - 1
    missing = len(text) - len(head) - len(tail)
    lines = f"lines {first} to {last}, " if last > first else ""
    return f"{head}\n[{lines}{missing} characters left out; whole: {pointer}]\n{tail}", True


def span_of(text: str, wanted: str) -> str:
    """The lines `a-b` or `a` of a text, or all of it when nothing is wanted."""
    if not wanted:
        return text
    first, _, last = wanted.partition("-")
    lines = text.split("\n")
    begin = max(1, int(first))
    end = int(last) if last else begin + 99
    return "\n".join(lines[begin - 1 : end])
