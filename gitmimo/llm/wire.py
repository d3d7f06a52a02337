"""A call as the JSON of an OpenAI-compatible chat completion."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from gitmimo.llm.client import Call
from gitmimo.records import Message, Tool

OPTIONAL = ("stream_options", "temperature", "seed", "stop", "max_tokens", "max_completion_tokens", "tool_choice")
_REFUSAL = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|not (permitted|allowed)|does not support|extra", re.I
)
_REASONING = re.compile(r"(^|/)(o\d|gpt-5)")


def messages_json(messages: Collection[Message]) -> list[dict[str, Any]]:
    """Messages as the chat format has them."""
    return [_message_json(message) for message in messages]


def tools_json(tools: Collection[Tool]) -> list[dict[str, Any]]:
    """Tools as the chat format has them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


def request_body(call: Call, *, model: str, left_out: Collection[str], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The request. What changes from call to call comes last, so that the bytes before it repeat.

    `left_out` names optional fields that this server has refused; without `max_tokens` its newer name is used.
    """
    body: dict[str, Any] = {"model": model}
    if call.tools:
        body["tools"] = tools_json(call.tools)
    body["messages"] = messages_json(call.messages)
    body["stream"] = True
    optional: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "stop": list(call.stop) or None,
        "temperature": call.temperature,
        "seed": call.seed,
        "max_completion_tokens" if "max_tokens" in left_out else "max_tokens": call.max_tokens,
    }
    body.update((name, value) for name, value in optional.items() if value is not None and name not in left_out)
    body.update(extra)
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact JSON; text that is no Unicode (from file names) is replaced."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def known_refusals(provider: str, model: str) -> set[str]:
    """Fields that are better not sent: reasoning models of OpenAI take neither temperature nor the old limit."""
    return {"max_tokens", "temperature", "stop"} if provider == "openai" and _REASONING.search(model) else set()


def refused_field(said: str, body: Mapping[str, Any]) -> str:
    """The optional field that an error message names as not supported; empty when there is none."""
    if not _REFUSAL.search(said):
        return ""
    return next((name for name in OPTIONAL if name in body and re.search(rf"\b{name}\b", said)), "")


def _message_json(message: Message) -> dict[str, Any]:
    value: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        value["content"] = message.content or None
        value["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        value["tool_call_id"] = message.tool_call_id
    return value
