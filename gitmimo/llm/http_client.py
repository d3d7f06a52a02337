"""Direct client of OpenAI-compatible servers and of Ollama: one streamed chat completion over a kept connection."""

import contextlib
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
from gitmimo.llm.failures import (
    AttemptFailed,
    ConnectFailed,
    ConnectionLost,
    Deadline,
    ReadTimeout,
    Timeouts,
    failure_of_status,
    no_route,
    truncated_reply,
)
from gitmimo.llm.model import ChatRequest
from gitmimo.llm.reply_builder import ReplyBuilder
from gitmimo.records import Reply

if TYPE_CHECKING:
    from gitmimo.llm.connection import Connection, Response

_AFTER_END_S = 0.5
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
                with self._request("POST", self.path, deadline, encode(body)) as response:
                    if response.status < 300:
                        reply = ReplyBuilder(keeps_reasoning=self.endpoint.wants_reasoning)
                        events = self.events(response, deadline, reply)
                        return reply.read(events, request, model=self.endpoint.name, started=started)
                    failed = self._failure(response)
            except Cancelled:  # sent, so it may be charged
                seconds = time.monotonic() - started
                ended = "cancelled"
                return ReplyBuilder().build(request, model=self.endpoint.name, seconds=seconds, finish_reason=ended)
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
        except (AttemptFailed, MalformedReply):
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

    def events(self, response: "Response", deadline: Deadline, reply: ReplyBuilder) -> Iterator[Mapping[str, Any]]:
        """The events of an answer, streamed or in one piece; AttemptFailed for an error among them."""
        if "application/json" in response.headers.get("content-type", ""):
            yield self._checked(response.read())
            reply.finish_reason = reply.finish_reason or "stop"
            return
        events = read_events(response.chunks())
        for event in events:
            if event == b"[DONE]":
                reply.finish_reason = reply.finish_reason or "stop"
                _read_rest(events, deadline)
                return
            if event:
                yield self._checked(event)

    def _checked(self, event: bytes) -> Mapping[str, Any]:
        """An event's object; AttemptFailed when it is an error: the prompt may have been counted."""
        value = parse_object(event)
        error = value.get("error")
        if not error:
            return value
        code = error.get("code") if isinstance(error, dict) else None
        failed = self._failure_of(code if isinstance(code, int) else 500, event, {})
        failed.charged = True
        raise failed

    # --- one attempt ---

    @contextlib.contextmanager
    def _request(self, method: str, path: str, deadline: Deadline, body: bytes | None) -> Iterator["Response"]:
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
            connection = self._connection()
            with connection.request(method, path, body=body, headers=headers, deadline=deadline) as response:
                yield response
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

    def events(self, response: "Response", deadline: Deadline, reply: ReplyBuilder) -> Iterator[Mapping[str, Any]]:
        """One JSON object a line, as if it were an event of a chat completion."""
        for line in read_lines(response.chunks()):
            yield _as_event(self._checked(line), reply.call_count)


def _as_event(line: Mapping[str, Any], call_count: int) -> Mapping[str, Any]:
    """A line of Ollama's; `call_count` function calls came before it."""
    message = line.get("message") or {}
    calls = message.get("tool_calls") or ()
    delta = {
        "content": message.get("content"),
        "reasoning_content": message.get("thinking"),
        "tool_calls": [{**call, "index": call_count + n} for n, call in enumerate(calls)],
    }
    choice: dict[str, Any] = {"delta": delta}
    event: dict[str, Any] = {"choices": [choice]}
    if line.get("done"):
        ended = "tool_calls" if call_count or calls else "stop"
        choice["finish_reason"] = "length" if line.get("done_reason") == "length" else ended
        event["usage"] = {"prompt_tokens": line.get("prompt_eval_count"), "completion_tokens": line.get("eval_count")}
    return event


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
