"""The chat-completion format: a request as JSON, and a reply put together from streamed events.

Also how many tokens a text may have, for budgets.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gitmimo.llm.model import ChatRequest
from gitmimo.records import Message, Tool

_OPTIONAL = ("stream_options", "temperature", "seed", "stop", "max_tokens", "max_completion_tokens", "tool_choice")
_REFUSED = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|not (permitted|allowed)|does not support|extra", re.I
)
_AFFORDABLE = re.compile(r"can only afford (\d{1,9})")
_MINUTE = re.compile(r"Limit (\d{1,9}), Requested (\d{1,9})")
_OPENAI_REASONING = re.compile(r"(^|/)(o\d|gpt-5)")
_LINE_LIMIT_BYTES = 8 << 20

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


def known_refusals(provider: str, model: str) -> set[str]:
    """Fields that are better not sent: reasoning models of OpenAI take neither temperature nor the old limit."""
    is_reasoning = provider == "openai" and _OPENAI_REASONING.search(model)
    return {"max_tokens", "temperature", "stop"} if is_reasoning else set()


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


# --- tokens ----------------------------------------------------------------------------------------------------------


def likely_tokens(text: str) -> int:
    """A usual number of tokens for code and prose."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def likely_prompt(messages: Iterable[Message], tools: Sequence[Tool] = ()) -> int:
    """A usual number of tokens for a whole prompt."""
    return _message_bytes(messages, per_message=4 * 6) // 4 + _tool_bytes(tools) // 4 + 8


def most_tokens(messages: Iterable[Message], tools: Sequence[Tool] = ()) -> int:
    """No fewer tokens than any tokenizer makes: one a byte, and the template around them."""
    around = _PER_REQUEST + (_PER_TOOL_BLOCK if tools else 0)
    return _message_bytes(messages, per_message=_PER_MESSAGE) + _tool_bytes(tools) + around


def _message_bytes(messages: Iterable[Message], *, per_message: int) -> int:
    total = 0
    for message in messages:
        total += per_message + len(message.content.encode("utf-8", "replace")) + len(message.reasoning.encode())
        total += sum(per_message + len(call.name) + len(call.arguments.encode()) for call in message.tool_calls)
    return total


def _tool_bytes(tools: Sequence[Tool]) -> int:
    return sum(len(tool.name) + len(tool.description) + len(json.dumps(dict(tool.parameters))) + 32 for tool in tools)
