"""A summary of a candidate's work: plan, notes, last commands, failing tests. Rebuilt from its steps."""

import re
from collections import deque

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


class RunSummary:
    """Collects from each step what the prompt needs when the history is cut. Bounded in size."""

    def __init__(self, *, test_command: str = "") -> None:
        self.plan = ""
        self.notes: list[str] = []
        self._test_command = test_command
        self._tests = ""
        self._commands: deque[str] = deque(maxlen=_COMMANDS)
        self._paths: dict[str, None] = {}

    def add(self, step: Step) -> None:
        """Take in one step."""
        for text in note_lines(step):
            self._add_note(text)
        for action, observation in zip(step.actions, step.observations, strict=True):
            if action.kind is ActionKind.PLAN:
                self.plan = cut_middle(action.text, _PLAN_LENGTH)
            elif action.kind is ActionKind.NOTE:
                self._add_note(action.text)
            elif action.kind in (ActionKind.SHELL, ActionKind.EDIT, ActionKind.WRITE):
                self._commands.append(_line(step.number, action, observation))
            self._add_tests(step.number, action, observation)
        for path in step.changed_paths:
            self._paths[path] = None

    def _add_note(self, text: str) -> None:
        note = one_line(text, _NOTE_LENGTH)
        if note in self.notes:
            return
        if len(self.notes) >= _MOST_NOTES:
            del self.notes[_FIRST_NOTES]
        self.notes.append(note)

    def _add_tests(self, number: int, action: Action, observation: Observation) -> None:
        is_test = action.text.strip() == self._test_command or _TEST_RUN.search(action.text)
        is_sent_back = action.kind is ActionKind.FINISH and "<output>" in observation.text
        if observation.exit_code is None or not (is_sent_back or (action.kind is ActionKind.SHELL and is_test)):
            return
        if observation.exit_code == 0:
            self._tests = f"step {number}: passed"
            return
        lines = dict.fromkeys(" ".join(line.split())[:200] for line in _FAILING_LINE.findall(observation.text))
        if not lines:
            lines = dict.fromkeys(line[:200] for line in observation.text.split("\n")[-5:] if line.strip())
        shown = "\n".join(f"  {line}" for line in list(lines)[:_FAILING_LINES])
        self._tests = f"step {number}: exit {observation.exit_code}\n{shown}"

    def text(self, *, steps: int, changed: str | None, most: int) -> str:
        """The facts as text of at most `most` characters. The agent's own words get the most room."""
        changed = changed or "\n".join(f" {path}" for path in list(self._paths)[-40:])
        heading = f"# Your work so far\n{steps} steps are done; those not shown below are left out. What is known:"
        parts = [
            ("Plan:\n", self.plan, most // 3),
            ("Your notes:\n", "\n".join(f"- {note}" for note in self.notes), most // 3),
            ("Changed since the start:\n", changed.rstrip(), most // 6),
            ("Last test run, ", self._tests, most // 6),
            ("Last commands before those below:\n", "\n".join(self._commands), most // 6),
        ]
        parts_shown = [heading, *(title + cut_middle(text, room) for title, text, room in parts if text)]
        return "\n\n".join(parts_shown)


def _line(number: int, action: Action, observation: Observation) -> str:
    code = observation.exit_code
    outcome = ("failed" if code else "done") if action.path else f"exit {code}"
    return f"{number}: {action.kind.value} {one_line(action.path or action.text, 120)} -> {outcome}"
