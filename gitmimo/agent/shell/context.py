"""The prompt of each step: a stable beginning, the recent steps, and a summary in place of all that came before.

    system text · opening · summary of the folded steps | steps in full

Nothing before the bar changes from step to step, and the history only grows, until in one move the older steps become
part of the summary. So nearly all of a prompt is the beginning of the one before, and its size is bounded however many
steps there are.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitmimo.agent.interface import Feedback
from gitmimo.agent.shell.execute import mark_of
from gitmimo.agent.shell.text_protocol import without_thinking
from gitmimo.records import Action, ActionKind, Message, Observation, Reply, Step, Tool, ToolCall
from gitmimo.text import cut_middle, one_line

_FULL = 7  # steps that stay in full when the history is cut
_BATCH = 16  # steps between two cuts
_NEAR = 0.85  # of the room: the next steps may be the last before the first cut
_REMINDER = (
    "Soon the older steps are left out of this conversation, with what you read and thought in them. If you still need"
    " a fact from them, write it now on a line of its own: NOTE: the fact. Then go on."
)
_MOST_SUMMARY = 9_000
_SHOWN = 30_000  # characters of one output, where the window is large
_SHOWN_IN_SMALL = 10_000
_LARGE_WINDOW = 64_000  # tokens
_MOST_NOTES = 40
_FIRST_NOTES = 10  # the oldest are kept: rules come early
_NOTE_LENGTH = 400
_NOTE_LINE = re.compile(r"^[ \t>*_-]*NOTE\b[*_]*:[*_ \t]*(\S.*)$", re.MULTILINE)
_PLAN_LENGTH = 3000
_COMMANDS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How large a prompt may be. The estimate is in UTF-8 bytes, three to a token until real usage says better."""

    window: int
    output: int  # tokens kept free for the reply

    @property
    def tokens(self) -> int:
        """Tokens that a prompt may have, with a margin for what an estimate misses."""
        return max(512, int((self.window - self.output) * 0.94))

    @property
    def most_shown(self) -> int:
        """Characters of one output that are shown: by the window, and so that several fit into a small prompt."""
        return max(1_200, min(_SHOWN if self.window >= _LARGE_WINDOW else _SHOWN_IN_SMALL, self.tokens * 3 // 8))


def room_for(window: int, max_output_tokens: int) -> Room:
    """Keep a quarter of the window at the most for the reply."""
    return Room(window=window, output=min(max_output_tokens, max(256, window // 4)))


class Context:
    """Builds a candidate's prompts. The same steps, in the same order, give the same bytes."""

    def __init__(
        self,
        *head: Message,
        tools: Sequence[Tool],
        room: Room,
        changes: Callable[[], str | None],
        feedback: Sequence[Feedback] = (),
    ) -> None:
        """`head` is the beginning, the opening last; `changes` says what was changed since the start."""
        self.room = room
        self._head = head
        self._shown_summary = ""
        self._steps: list[Step] = []
        self._feedback = {each.after_step: each.text for each in feedback if each.after_step}
        self._changes = changes
        self._tools_size = sum(len(json.dumps(dict(tool.parameters))) + len(tool.description) + 40 for tool in tools)
        self._full: list[Step] = []
        self._tokens_per_byte = 1 / 3
        self._is_reminded = False
        self.is_folded = False  # whether steps are left out of the history: notes are of use from then on

    def add(self, step: Step) -> None:
        """Append a step; when a batch is full or the window is near, cut the history."""
        self._steps.append(step)
        self._full.append(step)
        is_near = len(self._full) >= _FULL + _BATCH - 1 or self._estimate() > _NEAR * self.room.tokens
        if is_near and not self._is_reminded:  # once: from then on the model has seen what a cut keeps
            self._is_reminded = True
            self._feedback.setdefault(step.number, _REMINDER)
        if len(self._full) >= _FULL + _BATCH or self._estimate() > self.room.tokens:
            self._cut()

    def messages(self) -> tuple[Message, ...]:
        """The prompt for the next step."""
        *before, opening = self._head
        return (
            *before,
            replace(opening, content=opening.content + self._shown_summary),
            *(message for step in self._full for message in (*render_step(step), *self._feedback_after(step))),
        )

    def _feedback_after(self, step: Step) -> list[Message]:
        said = self._feedback.get(step.number)
        return [] if said is None else [Message(role="user", content=said)]

    def learn(self, sent: Sequence[Message], reply: Reply) -> None:
        """Take the model's own count of a prompt's tokens for the estimates to come."""
        size = sum(_size(message) for message in sent) + self._tools_size
        if reply.usage.prompt > 0 and size > 0:
            self._tokens_per_byte = min(1.2, max(0.2, reply.usage.prompt / size * 1.05))

    def overflowed(self) -> bool:
        """Raise the estimate of tokens a byte after a refused prompt, and cut. False when nothing is left."""
        before = self._bytes()
        self._tokens_per_byte = min(1.2, max(self._tokens_per_byte, self.room.tokens / max(1, before)) * 1.25)
        self._cut()
        return self._bytes() < before

    def _cut(self) -> None:
        """Fold old steps into facts until the prompt has room to grow again."""
        changed = self._changes()
        for full in (_FULL, 4, 3, 2, 1):
            self.is_folded = self.is_folded or len(self._full) > full
            self._full = self._full[-full:]
            self._shown_summary = self._summary_text(changed) if self.is_folded else ""
            if self._estimate() <= self.room.tokens * 0.4:
                return
        for most in (4_000, 2_000, 1_000, 500):  # the last step alone is too large
            if self._estimate() <= self.room.tokens * 0.8:
                return
            self._full = [_with_short_outputs(step, most) for step in self._full]

    def _summary_text(self, changed: str | None) -> str:
        most = min(_MOST_SUMMARY, int(self.room.tokens / self._tokens_per_byte * 0.25))
        return "\n\n" + summarise(self._steps, changed=changed, most=most)

    def _bytes(self) -> int:
        head = sum(_size(message) for message in self._head) + len(self._shown_summary.encode())
        return head + self._tools_size + sum(_size(message) for step in self._full for message in render_step(step))

    def _estimate(self) -> int:
        return int(self._bytes() * self._tokens_per_byte) + 1


def render_step(step: Step) -> tuple[Message, ...]:
    """A step as messages: the reply without its thinking, then its results, each with its mark."""
    count = len(step.observations)
    marked = [f"[{mark_of(step.number, n, count)}] {each.text}" for n, each in enumerate(step.observations, start=1)]
    text, calls = without_thinking(step.reply.text), _calls(step)
    if not calls:
        return (
            Message(role="assistant", content=text.strip() or "(nothing)"),
            Message(role="user", content="\n\n".join(marked)),
        )
    by_call: dict[str, list[str]] = {call.id: [] for call in calls}
    for action, each in zip(step.actions, marked, strict=True):
        by_call[action.call_id].append(each)
    return (
        Message(role="assistant", content=text, tool_calls=calls, reasoning=step.reply.reasoning),
        *(
            Message(role="tool", content="\n\n".join(each) or "(nothing)", tool_call_id=call_id)
            for call_id, each in by_call.items()
        ),
    )


def _calls(step: Step) -> tuple[ToolCall, ...]:
    """The step's calls as a provider takes them back: arguments that are a JSON object, and ids that actions name."""
    ids = [call.id for call in step.reply.tool_calls]
    if len(set(ids)) != len(ids) or any(action.call_id not in ids for action in step.actions):
        return ()
    return tuple(replace(call, arguments=_object(call.arguments)) for call in step.reply.tool_calls)


def _object(arguments: str) -> str:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        value = None
    return arguments if isinstance(value, dict) else json.dumps({"unreadable": arguments[:200]})


def _with_short_outputs(step: Step, most: int) -> Step:
    pointer = f"show {step.number}"
    observations = tuple(replace(each, text=cut_middle(each.text, most, pointer=pointer)) for each in step.observations)
    text = cut_middle(without_thinking(step.reply.text), most, pointer=f"left out of step {step.number}")
    calls = tuple(
        call if len(call.arguments) <= most else replace(call, arguments=json.dumps({"cut": call.arguments[:most]}))
        for call in _calls(step)
    )
    return replace(step, observations=observations, reply=replace(step.reply, text=text, tool_calls=calls))


def _size(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments.encode("utf-8", "replace")) + 40 for call in message.tool_calls)
    return len(message.content.encode("utf-8", "replace")) + calls + 24


def note_lines(step: Step) -> list[str]:
    """The notes that a reply with tool calls has in its text; in the text protocol a note is an action."""
    return _NOTE_LINE.findall(step.reply.text) if step.reply.tool_calls else []


def summarise(steps: Sequence[Step], *, changed: str | None, most: int) -> str:
    """What the prompt needs of the steps that are left out, in at most `most` characters.

    The agent's own words get the most room. `changed` lists the changes since the start; None when unknown.
    """
    plan = ""
    notes: list[str] = []
    commands: list[str] = []
    for step in steps:
        notes += note_lines(step)
        for action, observation in zip(step.actions, step.observations, strict=True):
            if action.kind is ActionKind.PLAN:
                plan = cut_middle(action.text, _PLAN_LENGTH)
            elif action.kind is ActionKind.NOTE:
                notes.append(action.text)
            elif action.kind in (ActionKind.SHELL, ActionKind.EDIT, ActionKind.WRITE):
                commands.append(_line(step.number, action, observation))
    noted = list(dict.fromkeys(one_line(note, _NOTE_LENGTH) for note in notes))
    if len(noted) > _MOST_NOTES:
        noted = noted[:_FIRST_NOTES] + noted[_FIRST_NOTES - _MOST_NOTES :]
    parts = [
        ("Plan:\n", plan, most // 3),
        ("Your notes:\n", "\n".join(f"- {note}" for note in noted), most // 3),
        ("Changed since the start:\n", (changed or "").rstrip(), most // 6),
        ("Last commands before those below:\n", "\n".join(commands[-_COMMANDS:]), most // 6),
    ]
    done = steps[-1].number if steps else 0
    heading = f"# Your work so far\n{done} steps are done; those not shown below are left out. What is known:"
    return "\n\n".join([heading, *(title + cut_middle(text, room) for title, text, room in parts if text)])


def _line(number: int, action: Action, observation: Observation) -> str:
    code = observation.exit_code
    outcome = ("failed" if code else "done") if action.path else f"exit {code}"
    return f"{number}: {action.kind.value} {one_line(action.path or action.text, 120)} -> {outcome}"
