"""A summary of a candidate's work: plan, notes, last commands, failing tests. Rebuilt from its steps."""

import re
from collections.abc import Sequence

from gitmimo.records import Action, ActionKind, Observation, Step
from gitmimo.text import cut_middle, one_line

_MOST_NOTES = 40
_FIRST_NOTES = 10  # the oldest are kept: rules come early
_NOTE_LENGTH = 400
_NOTE_LINE = re.compile(r"^[ \t>*_-]*NOTE\b[*_]*:[*_ \t]*(\S.*)$", re.MULTILINE)
_PLAN_LENGTH = 3000
_COMMANDS = 18
_FAILING_LINES = 12

_TEST_RUN = re.compile(
    r"\b(?:pytest|unittest|tox|nox|ctest|phpunit|rspec|jest|vitest|mocha)\b|\b(?:npm|yarn|pnpm|go|cargo|mvn|gradle|make)"
    r"(?:\s+run)?\s+\w*(?:test|check)\b|\bnode\s+--test\b"
)
_FAILING_LINE = re.compile(
    r"^\s*(?:FAILED|ERROR|FAIL|--- FAIL|not ok|✗|✘|×|●|E  )[:\s].*$|^.*\bAssertionError\b.*$", re.MULTILINE
)


def note_lines(step: Step) -> list[str]:
    """The notes that a reply with tool calls has in its text; in the text protocol a note is an action."""
    return _NOTE_LINE.findall(step.reply.text) if step.reply.tool_calls else []


def summarise(steps: Sequence[Step], *, test_command: str, changed: str | None, most: int) -> str:
    """What the prompt needs of the steps that are left out, in at most `most` characters.

    The agent's own words get the most room. `changed` lists the changes since the start; None when unknown.
    """
    plan, tests = "", ""
    notes: list[str] = []
    commands: list[str] = []
    paths: dict[str, None] = {}
    for step in steps:
        notes += note_lines(step)
        paths |= dict.fromkeys(step.changed_paths)
        for action, observation in zip(step.actions, step.observations, strict=True):
            if action.kind is ActionKind.PLAN:
                plan = cut_middle(action.text, _PLAN_LENGTH)
            elif action.kind is ActionKind.NOTE:
                notes.append(action.text)
            elif action.kind in (ActionKind.SHELL, ActionKind.EDIT, ActionKind.WRITE):
                commands.append(_line(step.number, action, observation))
            tests = _test_run(step.number, action, observation, test_command) or tests
    noted = list(dict.fromkeys(one_line(note, _NOTE_LENGTH) for note in notes))
    if len(noted) > _MOST_NOTES:
        noted = noted[:_FIRST_NOTES] + noted[_FIRST_NOTES - _MOST_NOTES :]
    changed = changed or "\n".join(f" {path}" for path in list(paths)[-40:])
    parts = [
        ("Plan:\n", plan, most // 3),
        ("Your notes:\n", "\n".join(f"- {note}" for note in noted), most // 3),
        ("Changed since the start:\n", changed.rstrip(), most // 6),
        ("Last test run, ", tests, most // 6),
        ("Last commands before those below:\n", "\n".join(commands[-_COMMANDS:]), most // 6),
    ]
    done = steps[-1].number if steps else 0
    heading = f"# Your work so far\n{done} steps are done; those not shown below are left out. What is known:"
    return "\n\n".join([heading, *(title + cut_middle(text, room) for title, text, room in parts if text)])


def _test_run(number: int, action: Action, observation: Observation, test_command: str) -> str:
    """How a run of the tests ended, with the lines that say what failed; empty for any other action."""
    is_test = action.text.strip() == test_command or _TEST_RUN.search(action.text)
    is_sent_back = action.kind is ActionKind.FINISH and "<output>" in observation.text
    if observation.exit_code is None or not (is_sent_back or (action.kind is ActionKind.SHELL and is_test)):
        return ""
    if observation.exit_code == 0:
        return f"step {number}: passed"
    lines = dict.fromkeys(" ".join(line.split())[:200] for line in _FAILING_LINE.findall(observation.text))
    if not lines:
        lines = dict.fromkeys(line[:200] for line in observation.text.split("\n")[-5:] if line.strip())
    shown = "\n".join(f"  {line}" for line in list(lines)[:_FAILING_LINES])
    return f"step {number}: exit {observation.exit_code}\n{shown}"


def _line(number: int, action: Action, observation: Observation) -> str:
    code = observation.exit_code
    outcome = ("failed" if code else "done") if action.path else f"exit {code}"
    return f"{number}: {action.kind.value} {one_line(action.path or action.text, 120)} -> {outcome}"
