"""The prompt of each step: a stable beginning, the recent steps, and facts in place of all that came before.

    system text · memory · task · approach · facts of the folded steps | stubbed steps | steps in full

Nothing before the bar changes from step to step, and the history only grows, until in one move old outputs become
stubs and older steps become facts. So nearly all of a prompt is the beginning of the one before, and its size is
bounded however many steps there are.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitmimo.agent.shell.observations import MOST_TOLD, cut_middle
from gitmimo.agent.shell.run_summary import RunSummary
from gitmimo.records import Message, Reply, Step, Tool, ToolCall

_FULL = 7  # steps that stay in full when the history is cut
_BATCH = 18  # steps between two cuts
_STUBBED = 4  # steps before the full ones that stay with stubs in place of their outputs
_LONG_ARGUMENT = 600
_MOST_FACTS = 9_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much a prompt may hold. The estimate is in UTF-8 bytes, three to a token until real usage says better."""

    window: int
    output: int  # tokens kept free for the reply

    @property
    def tokens(self) -> int:
        """Tokens that a prompt may have, with a margin for what an estimate misses."""
        return max(512, int((self.window - self.output) * 0.94))

    @property
    def most_told(self) -> int:
        """Characters of one output: less in a small window, so that several fit."""
        return max(1_200, min(MOST_TOLD, self.tokens * 3 // 8))


def room_for(window: int, max_output_tokens: int) -> Room:
    """Keep a quarter of the window at the most for the reply."""
    return Room(window=window, output=min(max_output_tokens, max(256, window // 4)))


@dataclass(slots=True)
class _Entry:
    """A step in the history, rendered."""

    step: Step
    messages: tuple[Message, ...]
    size: int


class Context:
    """Builds a candidate's prompts. The same steps, in the same order, give the same bytes."""

    def __init__(
        self,
        *,
        system: str,
        opening: str,
        tools: Sequence[Tool],
        room: Room,
        facts: RunSummary,
        changes: Callable[[], str | None],
        example: tuple[Message, ...] = (),
    ) -> None:
        self.room = room
        self.facts = facts
        self._system = Message(role="system", content=system)
        self._example = example
        self._opening = opening
        self._told_facts = ""
        self._changes = changes
        self._tools_size = sum(len(json.dumps(dict(tool.parameters))) + len(tool.description) + 40 for tool in tools)
        self._stubbed: list[_Entry] = []
        self._full: list[_Entry] = []
        self._steps = 0
        self._tokens_per_byte = 1 / 3

    def add(self, step: Step) -> None:
        """Append a step; when a batch is full or the window is near, cut the history."""
        self.facts.add(step)
        self._steps = step.number
        self._full.append(_entry(step, render_step(step)))
        if len(self._full) >= _FULL + _BATCH or self._estimate() > self.room.tokens:
            self._cut()

    def messages(self) -> tuple[Message, ...]:
        """The prompt for the next step."""
        return (
            self._system,
            *self._example,
            Message(role="user", content=self._opening + self._told_facts),
            *(message for entry in (*self._stubbed, *self._full) for message in entry.messages),
        )

    def learn(self, sent: Sequence[Message], reply: Reply) -> None:
        """Take the model's own count of a prompt's tokens for the estimates to come."""
        size = sum(_size(message) for message in sent) + self._tools_size
        if reply.usage.prompt > 0 and size > 0:
            self._tokens_per_byte = min(1.2, max(0.2, reply.usage.prompt / size * 1.05))

    def overflowed(self) -> bool:
        """The model refused the prompt as too long: expect more tokens a byte, and cut. False when nothing is left."""
        before = self._bytes()
        self._tokens_per_byte = min(1.2, max(self._tokens_per_byte, self.room.tokens / max(1, before)) * 1.25)
        self._cut()
        return self._bytes() < before

    def _cut(self) -> None:
        """Fold old steps into facts, stub the outputs of younger ones, until the prompt has room to grow again."""
        entries = [*self._stubbed, *self._full]
        changed = self._changes()
        for full, stubbed in ((_FULL, _STUBBED), (6, 4), (4, 2), (3, 0), (2, 0), (1, 0)):
            self._full = [_entry(entry.step, render_step(entry.step)) for entry in entries[-full:]]
            young = entries[-full - stubbed : -full] if stubbed else []
            self._stubbed = [_entry(entry.step, render_stub(entry.step)) for entry in young]
            folded = self._steps - len(self._full) - len(self._stubbed)
            self._told_facts = self._tell_facts(changed) if folded > 0 else ""
            if self._estimate() <= self.room.tokens * 0.4:
                return
        for most in (4_000, 2_000, 1_000, 500):  # the last step alone is too large
            if self._estimate() <= self.room.tokens * 0.8:
                return
            self._full = [_entry(e.step, render_step(_with_short_outputs(e.step, most))) for e in self._full]

    def _tell_facts(self, changed: str | None) -> str:
        most = min(_MOST_FACTS, int(self.room.tokens / self._tokens_per_byte * 0.25))
        return "\n\n" + self.facts.tell(steps=self._steps, changed=changed, most=most)

    def _bytes(self) -> int:
        fixed = (
            _size(self._system)
            + sum(_size(message) for message in self._example)
            + len((self._opening + self._told_facts).encode())
            + self._tools_size
        )
        return fixed + sum(entry.size for entry in self._stubbed) + sum(entry.size for entry in self._full)

    def _estimate(self) -> int:
        return int(self._bytes() * self._tokens_per_byte) + 1


def opening_text(*, prefix: str, task: str, commands: str, approach: str, room: Room) -> str:
    """The first user message: memory, then the task word for word, then how it is tested, then the approach.

    What is the same for all candidates stands first. Memory may take a quarter of the room, the task half: a longer one
    is cut in the middle, and `show 0` brings it whole.
    """
    most = room.tokens * 3
    memory, _ = cut_middle(prefix.strip(), most=most // 4, pointer="the project's .mimo folder")
    words, _ = cut_middle(task.strip(), most=most // 2, pointer="show 0")
    parts = [memory, f"# Task\n\n{words}", commands]
    if approach:
        parts.append(f"# Your way\n\nOthers try the same task in other ways. {approach}")
    return "\n\n".join(part for part in parts if part)


def render_step(step: Step) -> tuple[Message, ...]:
    """A step as messages: the reply as it came, then what came of it."""
    calls = _calls(step)
    if calls:
        told = [
            Message(role="tool", content=observation.text, tool_call_id=call.id)
            for call, observation in zip(calls, step.observations, strict=True)
        ]
        return (Message(role="assistant", content=step.reply.text, tool_calls=calls), *told)
    told_text = "\n\n".join(observation.text for observation in step.observations)
    return (
        Message(role="assistant", content=step.reply.text.strip() or "(nothing)"),
        Message(role="user", content=f"Step {step.number}: {told_text}"),
    )


def render_stub(step: Step) -> tuple[Message, ...]:
    """An older step: what was asked, shortened, and one line for what came of it."""
    calls = _calls(step)
    line = f"[output of step {step.number} left out; show {step.number}]"
    told = [
        observation.text if len(observation.text) <= 120 else f"{observation.text.split(chr(10), 1)[0][:100]} {line}"
        for observation in step.observations
    ]
    text, _ = cut_middle(step.reply.text.strip(), most=2 * _LONG_ARGUMENT, pointer=f"left out of step {step.number}")
    if calls:
        short = tuple(replace(call, arguments=_short_arguments(call.arguments)) for call in calls)
        results = [
            Message(role="tool", content=content, tool_call_id=call.id)
            for call, content in zip(calls, told, strict=True)
        ]
        return (Message(role="assistant", content=text, tool_calls=short), *results)
    return (
        Message(role="assistant", content=text or "(nothing)"),
        Message(role="user", content=f"Step {step.number}: " + "\n".join(told)),
    )


def _calls(step: Step) -> tuple[ToolCall, ...]:
    """The step's calls as a provider takes them back: an id each, and arguments that are a JSON object."""
    if len(step.reply.tool_calls) != len(step.observations):
        return ()
    seen: set[str] = set()
    calls = []
    for index, call in enumerate(step.reply.tool_calls):
        known = call.id and call.id not in seen
        identity = call.id if known else f"s{step.number:05d}{index:02d}x"
        seen.add(identity)
        calls.append(ToolCall(id=identity, name=call.name or "unknown", arguments=_object(call.arguments)))
    return tuple(calls)


def _object(arguments: str) -> str:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        value = None
    return arguments if isinstance(value, dict) else json.dumps({"unreadable": arguments[:200]})


def _short_arguments(arguments: str) -> str:
    values = json.loads(arguments)
    short = {
        key: cut_middle(value, most=_LONG_ARGUMENT, pointer="the file")[0] if isinstance(value, str) else value
        for key, value in values.items()
    }
    return arguments if short == values else json.dumps(short, ensure_ascii=False)


def _with_short_outputs(step: Step, most: int) -> Step:
    pointer = f"show {step.number}"
    observations = tuple(replace(o, text=cut_middle(o.text, most=most, pointer=pointer)[0]) for o in step.observations)
    text, _ = cut_middle(step.reply.text, most=most, pointer=f"left out of step {step.number}")
    calls = tuple(
        replace(
            call, arguments=_short_arguments(_object(call.arguments)) if len(call.arguments) > most else call.arguments
        )
        for call in step.reply.tool_calls
    )
    return replace(step, observations=observations, reply=replace(step.reply, text=text, tool_calls=calls))


def _entry(step: Step, messages: tuple[Message, ...]) -> _Entry:
    return _Entry(step=step, messages=messages, size=sum(_size(message) for message in messages))


def _size(message: Message) -> int:
    calls = sum(len(call.name) + len(call.arguments.encode("utf-8", "replace")) + 40 for call in message.tool_calls)
    return len(message.content.encode("utf-8", "replace")) + calls + 24
