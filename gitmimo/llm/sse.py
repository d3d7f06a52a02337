"""Server-sent events of chat completions, put together to one reply."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo.records import ToolCall, Usage

_LINE_LIMIT_BYTES = 8 << 20


class NotAReply(Exception):
    """The stream holds something else than a chat completion."""


class ErrorInStream(Exception):
    """The server reported an error after it had begun to answer; the argument is its JSON."""


def read_events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the data of each event. Comments and other fields are dropped."""
    pending = b""
    for chunk in chunks:
        lines = (pending + chunk).split(b"\n")
        pending = lines.pop()
        if len(pending) > _LINE_LIMIT_BYTES:
            raise NotAReply("one line of the stream is larger than 8 MiB")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if pending.startswith(b"data:"):
        yield pending[5:].strip()


@dataclass(slots=True)
class Assembly:
    """A reply that grows by deltas. `deltas` counts those that carried content."""

    text: list[str] = field(default_factory=list)
    tools: dict[int, "_PartialCall"] = field(default_factory=dict)
    usage: Usage | None = None
    finish_reason: str = ""
    deltas: int = 0
    size: int = 0  # characters received, hidden reasoning included

    def add(self, data: bytes) -> str:
        """Take one event's JSON and return the text it adds."""
        try:
            event = json.loads(data)
        except ValueError as exc:
            raise NotAReply(f"not JSON: {data[:80]!r}") from exc
        if not isinstance(event, dict):
            raise NotAReply(f"not an object: {data[:80]!r}")
        if event.get("error"):
            raise ErrorInStream(json.dumps(event))
        return self.add_event(event)

    def add_event(self, event: Mapping[str, Any]) -> str:
        """Take one event and return the text it adds."""
        try:
            return self._add_choices(event)
        except (AttributeError, TypeError, ValueError) as exc:
            raise NotAReply(f"of another form than a chat completion: {str(event)[:80]}") from exc

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The function calls in the order of their index."""
        return tuple(
            ToolCall(id=call.id or f"call_{index}", name=call.name, arguments=call.arguments or "{}")
            for index, call in sorted(self.tools.items())
        )

    def _add_choices(self, event: Mapping[str, Any]) -> str:
        self.usage = read_usage(event.get("usage")) or self.usage
        added = ""
        for choice in event.get("choices") or ():
            self.usage = read_usage(choice.get("usage")) or self.usage
            added += self._add_delta(choice.get("delta") or choice.get("message") or {})
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return added

    def _add_delta(self, delta: Mapping[str, Any]) -> str:
        text = delta.get("content") or ""
        if not isinstance(text, str):  # some servers send parts
            text = "".join(part.get("text", "") for part in text if isinstance(part, dict))
        hidden = delta.get("reasoning_content") or delta.get("reasoning") or ""
        calls = delta.get("tool_calls") or ()
        for position, call in enumerate(calls):
            self._add_call(position, call)
        if text or hidden or calls:
            self.deltas += 1
            self.size += len(text) + (len(hidden) if isinstance(hidden, str) else 0)
        if text:
            self.text.append(text)
        return text

    def _add_call(self, position: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if index is None:  # without index each new id is a new call
            index = len(self.tools) if call.get("id") else max(len(self.tools) - 1, position)
        partial = self.tools.setdefault(index, _PartialCall())
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        partial.id = call.get("id") or partial.id
        partial.name += function.get("name") or ""
        partial.arguments += arguments
        self.size += len(arguments)


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


def read_usage(value: Any) -> Usage | None:
    """Read the token counts of a provider; None when they are absent or no numbers."""
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    details = value.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or value.get("prompt_cache_hit_tokens") or value.get("cached_tokens") or 0
    written = value.get("cache_creation_input_tokens") or 0
    return Usage(
        prompt=prompt,
        cached=min(prompt, int(cached)),
        cache_written=min(prompt, int(written)),
        completion=completion,
    )
