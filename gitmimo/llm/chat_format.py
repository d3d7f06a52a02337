"""The chat-completion format: a request as JSON, and a reply put together from streamed events, of every provider.

Also how many tokens a text may have, for budgets.
"""

import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitmimo.cancel import Cancelled
from gitmimo.llm.connection import ReadTimeout, malformed_reply, truncated_reply
from gitmimo.llm.model import ChatRequest
from gitmimo.records import Message, Reply, Tool, ToolCall, Usage

_OPTIONAL = ("stream_options", "temperature", "seed", "stop", "max_tokens", "max_completion_tokens", "tool_choice")
_REFUSED = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|not (permitted|allowed)|does not support|extra", re.I
)
_AFFORDABLE = re.compile(r"can only afford (\d{1,9})")
_MINUTE = re.compile(r"Limit (\d{1,9}), Requested (\d{1,9})")
_LINE_LIMIT_BYTES = 8 << 20
_THOUGHT = re.compile(r"\A\s*<think>(.*?)(</think>\s*|\Z)", re.DOTALL)
_CHARACTERS_A_TOKEN = 64  # more than any real token: a stream beyond is endless
_SPARE_CHARACTERS = 65_536
_BYTES_A_TOKEN = 4  # of code and prose, as a rule
_PER_MESSAGE = 16  # bytes: role marks and separators of the chat template
_PER_REQUEST = 64
_PER_TOOL_BLOCK = 512  # what providers write around tool definitions


class MalformedReply(Exception):
    """The stream contains something other than a chat completion."""


# --- requests --------------------------------------------------------------------------------------------------------


def messages_json(messages: Sequence[Message], *, reasoning: bool = False) -> list[dict[str, Any]]:
    """Messages as the chat format has them.

    With `reasoning` what the model thought goes back to it with its messages of the current turn, which is all after
    the last message of the user; earlier thoughts are never sent.
    """
    turn = max((n for n, message in enumerate(messages) if message.role == "user"), default=-1)
    return [_message_json(message, reasoning=reasoning and n > turn) for n, message in enumerate(messages)]


def tools_json(tools: Collection[Tool]) -> list[dict[str, Any]]:
    """Tools as the chat format has them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


def request_body(request: ChatRequest, *, model: str, left_out: Collection[str], reasoning: bool) -> dict[str, Any]:
    """The request. What changes from call to call comes last, so that the bytes before it repeat.

    `left_out` names optional fields that this server has refused; without `max_tokens` its newer name is used.
    """
    body: dict[str, Any] = {"model": model}
    if request.tools:
        body["tools"] = tools_json(request.tools)
    body["messages"] = messages_json(request.messages, reasoning=reasoning)
    body["stream"] = True
    optional: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "stop": list(request.stop) or None,
        "temperature": request.temperature,
        "seed": request.seed,
        "max_completion_tokens" if "max_tokens" in left_out else "max_tokens": request.output_limit,
    }
    body.update((name, value) for name, value in optional.items() if value is not None and name not in left_out)
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact JSON; text that is no Unicode (from file names) is replaced."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def refused_field(error: str, body: Mapping[str, Any]) -> str:
    """The optional field that an error message names as not supported; empty when there is none."""
    if not _REFUSED.search(error):
        return ""
    return next((name for name in _OPTIONAL if name in body and re.search(rf"\b{name}\b", error)), "")


def allowed_output(error: str, asked: int) -> int:
    """How many tokens of output a server would allow that found `asked` too many for the account; 0 when unknown.

    OpenRouter checks `max_tokens` against the credit, Groq against the tokens of a minute.
    """
    if credit := _AFFORDABLE.search(error):
        return int(credit[1])
    if minute := _MINUTE.search(error):
        return asked - (int(minute[2]) - int(minute[1]))
    return 0


def _message_json(message: Message, *, reasoning: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        value["content"] = message.content or None
        value["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        value["tool_call_id"] = message.tool_call_id
    if reasoning and message.reasoning:
        value.update(json.loads(message.reasoning))
    return value


# --- replies ---------------------------------------------------------------------------------------------------------


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
    calls: dict[int, dict[str, str]] = field(default_factory=dict)  # id, name and arguments so far, by their index
    _text: list[str] = field(default_factory=list)
    _refusal: str = ""
    _thoughts: list[str] = field(default_factory=list)
    _blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

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
        return self.build(request, model=model, seconds=time.monotonic() - started, ended=ended)

    def add(self, event: Mapping[str, Any]) -> str:
        """Take one event and return the text it adds."""
        added = ""
        try:
            self.usage = read_usage(event.get("usage")) or self.usage
            for choice in event.get("choices") or ():
                self.usage = read_usage(choice.get("usage")) or self.usage
                added += self._add_delta(choice.get("delta") or choice.get("message") or {})
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
        except (AttributeError, TypeError, ValueError) as exc:
            raise MalformedReply(f"of another form than a chat completion: {str(event)[:80]}") from exc
        return added

    def build(self, request: ChatRequest, *, model: str, seconds: float, ended: str = "") -> Reply:
        """The reply so far. With `ended`, its finish reason, it was ended early: no calls, and usage is estimated."""
        is_whole = not ended
        raw = "".join(self._text)
        usage = self.usage if is_whole else None
        guess = Usage(
            prompt=most_tokens(request.messages, request.tools) // _BYTES_A_TOKEN,
            completion=max(self.deltas, -(-len(raw.encode("utf-8", "replace")) // _BYTES_A_TOKEN)),
        )
        calls = [
            ToolCall(id=call["id"] or f"call_{index}", name=call["name"], arguments=call["arguments"] or "{}")
            for index, call in sorted(self.calls.items())
        ]
        is_refusal = bool(self._refusal) or self.finish_reason == "content_filter"
        return Reply(
            text=_THOUGHT.sub("", raw) or self._refusal,
            tool_calls=tuple(calls) if is_whole else (),
            reasoning=self._reasoning() if self.keeps_reasoning and is_whole else "",
            usage=usage or guess,
            usage_known=usage is not None,
            cost_usd=None,
            finish_reason=ended or ("refusal" if is_refusal else self.finish_reason),
            model=model,
            seconds=seconds,
        )

    def _reasoning(self) -> str:
        """The message fields with the reasoning, as JSON; empty without any."""
        value: dict[str, Any] = dict(self._blocks)
        if self._thoughts and not value:
            value["reasoning_content"] = "".join(self._thoughts)
        return json.dumps(value) if value else ""

    def _add_delta(self, delta: Mapping[str, Any]) -> str:
        text = delta.get("content") or ""
        if not isinstance(text, str):  # some servers send parts
            text = "".join(part.get("text", "") for part in text if isinstance(part, dict))
        refusal = delta.get("refusal") or ""
        thought = self._add_thought(delta)
        calls = delta.get("tool_calls") or ()
        for position, call in enumerate(calls):
            self._add_call(position, call)
        if text or refusal or thought or calls:
            self.deltas += 1
            self.size += len(text) + len(refusal) + len(thought)
        self._text.append(text)
        self._refusal += refusal
        return text

    def _add_thought(self, delta: Mapping[str, Any]) -> str:
        """Take the thoughts of a delta: as text, as Anthropic's signed blocks, or as OpenRouter's details."""
        for name in ("thinking_blocks", "reasoning_details"):
            for block in delta.get(name) or ():
                _merge_block(self._blocks.setdefault(name, []), block)
        thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not isinstance(thought, str):
            return ""
        self._thoughts.append(thought)
        return thought

    def _add_call(self, position: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        if index is None:  # without index each new id is a new call
            index = len(self.calls) if call.get("id") else max(len(self.calls) - 1, position)
        partial = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        partial["id"] = call.get("id") or partial["id"]
        partial["name"] += function.get("name") or ""
        partial["arguments"] += arguments
        self.size += len(arguments)


def _merge_block(blocks: list[dict[str, Any]], block: Mapping[str, Any]) -> None:
    """Add a streamed piece to the block that it continues, or begin a new one."""
    new = {name: value for name, value in block.items() if value is not None}
    last = blocks[-1] if blocks else {"signature": "none to go on with"}
    if last.get("signature") or (last.get("type"), last.get("index")) != (new.get("type"), new.get("index")):
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


def read_events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the data of each server-sent event. Comments and other fields are dropped."""
    for line in read_lines(chunks):
        if line.startswith(b"data:"):
            yield line[5:].strip()


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the lines of a body, without their ends; MalformedReply for one of more than 8 MiB."""
    pending = b""
    for chunk in chunks:
        lines = (pending + chunk).split(b"\n")
        pending = lines.pop()
        if len(pending) > _LINE_LIMIT_BYTES:
            raise MalformedReply("one line of the stream is larger than 8 MiB")
        yield from lines
    if pending.strip():
        yield pending


def parse_object(data: bytes) -> dict[str, Any]:
    """One event's JSON object; MalformedReply for anything else."""
    try:
        value = json.loads(data)
    except ValueError as exc:
        raise MalformedReply(f"not JSON: {data[:80]!r}") from exc
    if not isinstance(value, dict):
        raise MalformedReply(f"not an object: {data[:80]!r}")
    return value


def most_tokens(messages: Iterable[Message], tools: Sequence[Tool] = ()) -> int:
    """No fewer tokens than any tokenizer makes: one a byte, and the template around them."""
    total = _PER_REQUEST + (_PER_TOOL_BLOCK if tools else 0)
    for message in messages:
        total += _PER_MESSAGE + len(message.content.encode("utf-8", "replace")) + len(message.reasoning.encode())
        total += sum(_PER_MESSAGE + len(call.name) + len(call.arguments.encode()) for call in message.tool_calls)
    for tool in tools:
        total += len(tool.name) + len(tool.description) + len(json.dumps(dict(tool.parameters))) + 2 * _PER_MESSAGE
    return total
