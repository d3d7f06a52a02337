"""Direct client of OpenAI-compatible servers and of Ollama: one streamed chat completion over a kept connection."""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitmimo.cancel import Cancelled
from gitmimo.errors import ConfigError, WrongKey
from gitmimo.llm.chat_format import (
    MalformedReply,
    allowed_output,
    encode,
    known_refusals,
    messages_json,
    parse_object,
    read_events,
    read_lines,
    refused_field,
    request_body,
    tools_json,
)
from gitmimo.llm.deadline import ConnectFailed, ConnectionLost, Deadline, ReadTimeout, Timeouts
from gitmimo.llm.failures import AttemptFailed, failure_of_status, malformed_reply, no_route, truncated_reply
from gitmimo.llm.model import ChatRequest
from gitmimo.llm.reply_builder import ErrorInStream, ReplyBuilder
from gitmimo.records import Reply

if TYPE_CHECKING:
    from gitmimo.llm.connection import Connection, Response

_AFTER_END_S = 0.5
_CHARACTERS_A_TOKEN = 64  # more than any real token: a stream beyond is endless
_SPARE_CHARACTERS = 65_536
_SHORTEST_KEY = 8
_LEAST_OUTPUT = 256
_REPORT_TIMES = Timeouts(connect_s=1.0, read_s=2.0, total_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address and options of a model's server. ConfigError for a `base_url` that is none, WrongKey for such a key.

    With `wants_reasoning` the provider gets the thoughts of the current turn back.
    """

    base_url: str
    provider: str
    model: str  # as the server calls it
    name: str  # as the user calls it
    key: str = field(default="", repr=False)
    timeouts: Timeouts = Timeouts()
    wants_reasoning: bool = False

    def __post_init__(self) -> None:
        if not _is_address(self.base_url):
            raise ConfigError(f"not an address of a model server: `{self.base_url}`", hint="begin it with http://")
        if not self.key.isprintable() or not self.key.isascii():
            raise WrongKey(
                f"the API key of `{self.provider}` contains characters that no key has",
                hint=f"git mimo config set --provider {self.provider} --api-key -",
            )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port of that number
        return False


def import_connection() -> "type[Connection]":
    """Import httpx, which takes 80 ms, without its own command line, which would load rich and pygments too."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from gitmimo.llm.connection import Connection

    return Connection


class HttpBackend:
    """Streams one chat completion an attempt.

    Bounded: silence, wall clock, the number of deltas (one token at least each, so never more than `max_tokens`) and
    the reply's size. A server that refuses an optional field is asked again without it, and not sent it any more; one
    that finds `max_tokens` too much for the account is asked for what it says is allowed.
    """

    path = "/chat/completions"

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._left_out = known_refusals(endpoint.provider, endpoint.model)
        self._lock = threading.Lock()
        self._kept: Connection | None = None

    def send(self, request: ChatRequest) -> Reply:
        """See `Backend.send`."""
        started = time.monotonic()
        deadline = Deadline(self.endpoint.timeouts, request.cancel)
        deadline.check()
        while True:
            body = self.body(request)
            try:
                response = self._request("POST", self.path, deadline, encode(body))
            except Cancelled:  # sent, so it may be charged
                return self._early(ReplyBuilder(), request, started, "cancelled")
            with response:
                if response.status < 300:
                    return self._read_reply(response, request, deadline, started)
                failed = self._failure(response)
            allowed = allowed_output(failed.error.message, request.output_limit)
            if response.status in (402, 413, 429) and _LEAST_OUTPUT <= allowed < request.output_limit:
                request = replace(request, max_tokens=allowed)
                continue
            refused = refused_field(failed.error.message, body) if response.status in (400, 422) else ""
            if not refused or refused in self._left_out:
                raise failed
            self._left_out.add(refused)

    def fetch(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One small request to the server beside the chat; empty when it doesn't answer within two seconds."""
        method, data = ("GET", None) if body is None else ("POST", encode(body))
        try:
            with self._request(method, path, Deadline(_REPORT_TIMES), data) as response:
                return parse_object(response.read()) if response.status == 200 else {}
        except (AttemptFailed, ConnectionLost, ReadTimeout, MalformedReply):
            return {}

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
            self._kept = None

    # --- what differs between servers ---

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """The request as this server has it."""
        return request_body(
            request,
            model=self.endpoint.model,
            left_out=frozenset(self._left_out),
            reasoning=self.endpoint.wants_reasoning,
        )

    def events(self, response: "Response") -> Iterator[bytes]:
        """The events of a streamed answer, `[DONE]` last where the server has an end mark."""
        return read_events(response.chunks())

    def add(self, reply: ReplyBuilder, event: bytes) -> str:
        """Take one event into the reply and return the text that it adds."""
        return reply.add_json(event)

    # --- one attempt ---

    def _request(self, method: str, path: str, deadline: Deadline, body: bytes | None) -> "Response":
        headers = {
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",  # a compressed stream may come in lumps
            "User-Agent": "git-mimo",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        try:
            return self._connection().request(method, path, body=body, headers=headers, deadline=deadline)
        except ConnectFailed as exc:
            raise no_route(self.endpoint.base_url, str(exc)) from exc
        except (ConnectionLost, ReadTimeout) as exc:
            raise truncated_reply(self.endpoint.name, str(exc)) from exc

    def _connection(self) -> "Connection":
        with self._lock:
            if self._kept is None:
                self._kept = import_connection()(self.endpoint.base_url)
            return self._kept

    def _failure(self, response: "Response") -> AttemptFailed:
        try:
            body = response.read()
        except (ConnectionLost, ReadTimeout):
            body = b""
        return self._failure_of(response.status, body, response.headers)

    def _failure_of(self, status: int, body: bytes, headers: Mapping[str, str]) -> AttemptFailed:
        if len(self.endpoint.key) >= _SHORTEST_KEY:  # some servers repeat it in their message
            body = body.replace(self.endpoint.key.encode(), b"***")
        return failure_of_status(
            status,
            body,
            headers,
            model=self.endpoint.name,
            where=self.endpoint.base_url,
            provider=self.endpoint.provider,
        )

    def _read_reply(self, response: "Response", request: ChatRequest, deadline: Deadline, started: float) -> Reply:
        reply = ReplyBuilder(keeps_reasoning=self.endpoint.wants_reasoning)
        name = self.endpoint.name
        try:
            if "application/json" in response.headers.get("content-type", ""):
                added = reply.add_json(response.read())
                reply.finish_reason = reply.finish_reason or "stop"
                if added and request.on_text is not None:
                    request.on_text(added)
            elif self._read_stream(response, request, deadline, reply):
                return self._early(reply, request, started, "length")
        except Cancelled:
            return self._early(reply, request, started, "cancelled")
        except (ConnectionLost, ReadTimeout) as exc:
            raise truncated_reply(name, str(exc)) from exc
        except MalformedReply as exc:
            raise malformed_reply(name, str(exc)) from exc
        except ErrorInStream as exc:
            raise self._failure_in_stream(str(exc)) from exc
        if not reply.finish_reason:
            raise truncated_reply(name, "the stream ended before the reply did")
        return reply.build(request, model=name, seconds=time.monotonic() - started)

    def _read_stream(self, response: "Response", request: ChatRequest, deadline: Deadline, reply: ReplyBuilder) -> bool:
        """Read to the end; True when the stream went on past every limit and was cut."""
        most = request.output_limit * _CHARACTERS_A_TOKEN + _SPARE_CHARACTERS
        events = self.events(response)
        for event in events:
            if event == b"[DONE]":
                reply.finish_reason = reply.finish_reason or "stop"
                _read_rest(events, deadline)
                return False
            if not event:
                continue
            added = self.add(reply, event)
            if added and request.on_text is not None:
                request.on_text(added)
            if not reply.finish_reason and (reply.deltas > request.output_limit or reply.size > most):
                return True
        return False

    def _failure_in_stream(self, text: str) -> AttemptFailed:
        """An error event: what its code says, but the prompt may have been counted."""
        error = json.loads(text)["error"]
        code = error.get("code") if isinstance(error, dict) else None
        failed = self._failure_of(code if isinstance(code, int) else 500, text.encode(), {})
        failed.charged = True
        return failed

    def _early(self, reply: ReplyBuilder, request: ChatRequest, started: float, reason: str) -> Reply:
        return reply.build(request, model=self.endpoint.name, seconds=time.monotonic() - started, finish_reason=reason)


class OllamaBackend(HttpBackend):
    """Ollama in its own format: only there can the window be set, and its default silently drops long prompts.

    Every request asks for the same window, so that the model is loaded once.
    """

    path = "/api/chat"

    def __init__(self, endpoint: Endpoint, *, window: int) -> None:
        super().__init__(endpoint)
        self.window = window

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """See `HttpBackend.body`."""
        options = {
            "num_ctx": self.window,
            "num_predict": request.output_limit,
            "temperature": request.temperature,
            "seed": request.seed,
            "stop": list(request.stop) or None,
        }
        body: dict[str, Any] = {"model": self.endpoint.model}
        if request.tools:
            body["tools"] = tools_json(request.tools)
        body["messages"] = [_with_objects(message) for message in messages_json(request.messages)]
        body["stream"] = True
        body["options"] = {name: value for name, value in options.items() if value is not None}
        return body

    def events(self, response: "Response") -> Iterator[bytes]:
        """One JSON object a line."""
        return read_lines(response.chunks())

    def add(self, reply: ReplyBuilder, event: bytes) -> str:
        """Take one line as if it were an event of a chat completion."""
        line = parse_object(event)
        if line.get("error"):
            return reply.add_json(encode({"error": {"message": line["error"]}}))
        message = line.get("message") or {}
        calls = message.get("tool_calls") or ()
        delta = {
            "content": message.get("content"),
            "reasoning_content": message.get("thinking"),
            "tool_calls": [{**call, "index": reply.call_count + n} for n, call in enumerate(calls)],
        }
        choice: dict[str, Any] = {"delta": delta}
        value: dict[str, Any] = {"choices": [choice]}
        if line.get("done"):
            has_calls = bool(reply.call_count or calls)
            ended = "tool_calls" if has_calls else "stop"
            choice["finish_reason"] = "length" if line.get("done_reason") == "length" else ended
            value["usage"] = {
                "prompt_tokens": line.get("prompt_eval_count"),
                "completion_tokens": line.get("eval_count"),
            }
        return reply.add(value)


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


def _read_rest(events: Iterator[bytes], deadline: Deadline) -> None:
    """Read on to the end of the body, briefly, so that the connection can be kept."""
    deadline.shorten(_AFTER_END_S)
    try:
        for _ in events:
            pass
    except (ConnectionLost, Cancelled, ReadTimeout, MalformedReply):
        return
