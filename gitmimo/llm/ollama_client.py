"""Ollama in its own language: only there can the window be set, and its default silently drops long prompts."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gitmimo.llm.client import Call
from gitmimo.llm.openai_client import Endpoint, OpenAIClient
from gitmimo.llm.sse import Assembly, NotAReply
from gitmimo.llm.transport import Transport
from gitmimo.llm.wire import messages_json, tools_json


class OllamaClient(OpenAIClient):
    """As `OpenAIClient`, with every request asking for the same window, so that the model is loaded once."""

    path = "/api/chat"

    def __init__(self, endpoint: Endpoint, transport: Transport, *, window: int) -> None:
        super().__init__(endpoint, transport)
        self._window = window

    def body(self, call: Call) -> dict[str, Any]:
        """See `OpenAIClient.body`."""
        options = {
            "num_ctx": self._window,
            "num_predict": call.max_tokens,
            "temperature": call.temperature,
            "seed": call.seed,
            "stop": list(call.stop) or None,
        }
        body: dict[str, Any] = {"model": self.endpoint.model}
        if call.tools:
            body["tools"] = tools_json(call.tools)
        body["messages"] = [_with_objects(message) for message in messages_json(call.messages)]
        body["stream"] = True
        body["options"] = {name: value for name, value in options.items() if value is not None}
        return {**body, **self.endpoint.extra}

    def events(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """One JSON object a line."""
        pending = b""
        for chunk in chunks:
            lines = (pending + chunk).split(b"\n")
            pending = lines.pop()
            yield from lines
        if pending.strip():
            yield pending

    def add(self, growing: Assembly, data: bytes) -> str:
        """Take one line as if it were an event of a chat completion."""
        try:
            line = json.loads(data)
        except ValueError as exc:
            raise NotAReply(f"not JSON: {data[:80]!r}") from exc
        if not isinstance(line, dict):
            raise NotAReply(f"not an object: {data[:80]!r}")
        if line.get("error"):
            return growing.add(json.dumps({"error": {"message": line["error"]}}).encode())
        message = line.get("message") or {}
        calls = message.get("tool_calls") or ()
        delta = {
            "content": message.get("content"),
            "reasoning_content": message.get("thinking"),
            "tool_calls": [{**call, "index": len(growing.tools) + n} for n, call in enumerate(calls)],
        }
        choice: dict[str, Any] = {"delta": delta}
        event: dict[str, Any] = {"choices": [choice]}
        if line.get("done"):
            choice["finish_reason"] = _finish(line, growing, delta)
            event["usage"] = {
                "prompt_tokens": line.get("prompt_eval_count"),
                "completion_tokens": line.get("eval_count"),
            }
        return growing.add_event(event)


def _finish(line: dict[str, Any], growing: Assembly, delta: dict[str, Any]) -> str:
    if line.get("done_reason") == "length":
        return "length"
    return "tool_calls" if growing.tools or delta["tool_calls"] else "stop"


def _with_objects(message: dict[str, Any]) -> dict[str, Any]:
    """Arguments of function calls as objects, content always text."""
    value = {**message, "content": message.get("content") or ""}
    calls = value.get("tool_calls")
    if calls:
        value["tool_calls"] = [
            {"function": {"name": call["function"]["name"], "arguments": _object(call["function"]["arguments"])}}
            for call in calls
        ]
    return value


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}
