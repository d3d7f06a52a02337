"""Assembles a reply from the streamed events of a chat completion, in every provider's variant."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo.cancel import Cancelled
from gitmimo.llm.chat_format import MalformedReply, likely_prompt, likely_tokens
from gitmimo.llm.connection import ReadTimeout, malformed_reply, truncated_reply
from gitmimo.llm.model import ChatRequest
from gitmimo.records import Reply, ToolCall, Usage

_THOUGHT = re.compile(r"\A\s*<think>(.*?)(</think>\s*|\Z)", re.DOTALL)
_CHARACTERS_A_TOKEN = 64  # more than any real token: a stream beyond is endless
_SPARE_CHARACTERS = 65_536


@dataclass(slots=True)
class ReplyBuilder:
    """A reply that grows by deltas. `deltas` counts those that carried content, `size` characters, thoughts included.

    With `keeps_reasoning` the reply carries what the model thought in the form in which its provider wants it back;
    otherwise thoughts are dropped. Text between <think> marks is always dropped.
    """

    keeps_reasoning: bool = False
    finish_reason: str = ""
    usage: Usage | None = None
    deltas: int = 0
    size: int = 0
    call_count: int = 0
    _text: list[str] = field(default_factory=list)
    _refusal: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _calls: dict[int, "_PartialCall"] = field(default_factory=dict)

    def read(self, events: Iterable[Mapping[str, Any]], request: ChatRequest, *, model: str, started: float) -> Reply:
        """Take all events of a stream and return the reply; `started` is when the request was sent.

        Ended early, with what came until then, when the request is cancelled (`cancelled`) or the stream goes on past
        every limit (`length`: a delta is a token or more). AttemptFailed for a stream that broke off or is malformed.
        """
        most = request.output_limit * _CHARACTERS_A_TOKEN + _SPARE_CHARACTERS
        ended = ""
        try:
            for event in events:
                added = self.add(event)
                if added and request.on_text is not None:
                    request.on_text(added)
                if not self.finish_reason and (self.deltas > request.output_limit or self.size > most):
                    ended = "length"
                    break
        except Cancelled:
            ended = "cancelled"
        except ReadTimeout as exc:
            raise truncated_reply(model, str(exc)) from exc
        except MalformedReply as exc:
            raise malformed_reply(model, str(exc)) from exc
        if not self.finish_reason and not ended:
            raise truncated_reply(model, "the stream ended before the reply did")
        return self.build(request, model=model, seconds=time.monotonic() - started, finish_reason=ended)

    def add(self, event: Mapping[str, Any]) -> str:
        """Take one event and return the text it adds."""
        try:
            return self._add_choices(event)
        except (AttributeError, TypeError, ValueError) as exc:
            raise MalformedReply(f"of another form than a chat completion: {str(event)[:80]}") from exc

    def build(self, request: ChatRequest, *, model: str, seconds: float, finish_reason: str = "") -> Reply:
        """The reply so far. With `finish_reason` it was ended early: no calls, and an estimate of its usage."""
        is_whole = not finish_reason
        raw = "".join(self._text)
        guess = Usage(
            prompt=likely_prompt(request.messages, request.tools),
            completion=max(self.deltas, likely_tokens(raw)),
        )
        usage = self.usage if is_whole else None
        refusal = "".join(self._refusal)
        ended = "refusal" if refusal or self.finish_reason == "content_filter" else self.finish_reason
        return Reply(
            text=_THOUGHT.sub("", raw) or refusal,
            tool_calls=self._tool_calls() if is_whole else (),
            reasoning=self._reasoning() if self.keeps_reasoning and is_whole else "",
            usage=usage or guess,
            usage_known=usage is not None,
            cost_usd=None,
            finish_reason=finish_reason or ended,
            model=model,
            seconds=seconds,
        )

    def _tool_calls(self) -> tuple[ToolCall, ...]:
        """The function calls in the order of their index."""
        return tuple(
            ToolCall(id=call.id or f"call_{index}", name=call.name, arguments=call.arguments or "{}")
            for index, call in sorted(self._calls.items())
        )

    def _reasoning(self) -> str:
        """The message fields with the reasoning, as JSON; empty without any."""
        value: dict[str, Any] = {name: blocks for name, blocks in self._blocks.items() if blocks}
        if self._thoughts and not value:
            value["reasoning_content"] = "".join(self._thoughts)
        return json.dumps(value) if value else ""

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
        calls = delta.get("tool_calls") or ()
        for position, call in enumerate(calls):
            self._add_call(position, call)
        refusal = delta.get("refusal") or ""
        thought = self._add_thought(delta)
        if text or refusal or thought or calls:
            self.deltas += 1
            self.size += len(text) + len(refusal) + len(thought)
        if text:
            self._text.append(text)
        if refusal:
            self._refusal.append(refusal)
        return text

    def _add_thought(self, delta: Mapping[str, Any]) -> str:
        """Take the thoughts of a delta: as text, as Anthropic's signed blocks, or as OpenRouter's details."""
        for name in ("thinking_blocks", "reasoning_details"):
            for block in delta.get(name) or ():
                _merge_block(self._blocks.setdefault(name, []), dict(block))
        thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not isinstance(thought, str):
            return ""
        if thought:
            self._thoughts.append(thought)
        return thought

    def _add_call(self, position: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if index is None:  # without index each new id is a new call
            index = len(self._calls) if call.get("id") else max(len(self._calls) - 1, position)
        partial = self._calls.setdefault(index, _PartialCall())
        self.call_count = len(self._calls)
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


def _merge_block(blocks: list[dict[str, Any]], new: dict[str, Any]) -> None:
    """Add a streamed piece to the block that it continues, or begin a new one."""
    new = {name: value for name, value in new.items() if value is not None}
    last = blocks[-1] if blocks else None
    continues = (
        last is not None
        and last.get("type") == new.get("type")
        and last.get("index") == new.get("index")
        and not last.get("signature")
    )
    if last is None or not continues:
        blocks.append(new)
        return
    for name, value in new.items():
        is_piece = name in ("thinking", "text", "summary", "data") and isinstance(last.get(name), str)
        last[name] = last[name] + value if is_piece else value


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
