"""Direct client of OpenAI-compatible servers and of Ollama: one streamed chat completion over a kept connection."""

import contextlib
import json
import queue
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitmimo.cancel import Cancelled
from gitmimo.errors import ConfigError, WrongKey
from gitmimo.llm.chat_format import (
    MalformedReply,
    ReplyBuilder,
    allowed_output,
    encode,
    messages_json,
    parse_object,
    read_events,
    read_lines,
    refused_field,
    request_body,
    tools_json,
)
from gitmimo.llm.connection import (
    Deadline,
    ReadTimeout,
    Timeouts,
    close_client,
    failure_of_status,
    import_httpx,
    no_route,
    open_client,
    run_in_loop,
    truncated_reply,
)
from gitmimo.llm.model import AttemptFailed, ChatRequest
from gitmimo.records import Reply

if TYPE_CHECKING:
    import httpx

_AFTER_END_S = 0.5
_CLOSE_S = 2.0
_SHORTEST_KEY = 8
_LEAST_OUTPUT = 256
_BODY_LIMIT_BYTES = 64 << 20
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


class HttpBackend:
    """Streams one chat completion an attempt, over connections that are kept.

    Bounded: silence, wall clock, the number of deltas (one token at least each, so never more than `max_tokens`) and
    the reply's size. A server that refuses an optional field is asked again without it, and not sent it any more; one
    that finds `max_tokens` too much for the account is asked for what it says is allowed.
    """

    path = "/chat/completions"

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._left_out: set[str] = set()
        self._lock = threading.Lock()
        self._client: httpx.AsyncClient | None = None

    def send(self, request: ChatRequest) -> Reply:
        """See `Backend.send`."""
        started = time.monotonic()
        deadline = Deadline(self.endpoint.timeouts, request.cancel)
        deadline.check()
        while True:
            body = self.body(request)
            try:
                with self._request("POST", self.path, deadline, encode(body)) as (response, pieces):
                    if response.status_code < 300:
                        reply = ReplyBuilder(keeps_reasoning=self.endpoint.wants_reasoning)
                        events = self.events(response, pieces, deadline, reply)
                        return reply.read(events, request, model=self.endpoint.name, started=started)
                    failed = self._failure(response, pieces)
            except Cancelled:  # sent, so it may be charged
                seconds = time.monotonic() - started
                return ReplyBuilder().build(request, model=self.endpoint.name, seconds=seconds, ended="cancelled")
            allowed = allowed_output(failed.error.message, request.output_limit)
            if response.status_code in (402, 413, 429) and _LEAST_OUTPUT <= allowed < request.output_limit:
                request = replace(request, max_tokens=allowed)
                continue
            refused = refused_field(failed.error.message, body) if response.status_code in (400, 422) else ""
            if not refused or refused in self._left_out:
                raise failed
            self._left_out.add(refused)

    def fetch(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One small request to the server beside the chat; empty when it doesn't answer within two seconds."""
        method, data = ("GET", None) if body is None else ("POST", encode(body))
        try:
            with self._request(method, path, Deadline(_REPORT_TIMES), data) as (response, pieces):
                return parse_object(self._read(pieces)) if response.status_code == 200 else {}
        except (AttemptFailed, MalformedReply):
            return {}

    def close(self) -> None:
        """Close the kept connections and cut those in use."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(TimeoutError):
                close_client(client).result(_CLOSE_S)

    # --- what differs between servers ---

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """The request as this server has it."""
        return request_body(
            request,
            model=self.endpoint.model,
            left_out=frozenset(self._left_out),
            reasoning=self.endpoint.wants_reasoning,
        )

    def events(
        self, response: "httpx.Response", pieces: Iterator[bytes], deadline: Deadline, reply: ReplyBuilder
    ) -> Iterator[Mapping[str, Any]]:
        """The events of an answer, streamed or in one piece; AttemptFailed for an error among them."""
        if "application/json" in response.headers.get("content-type", ""):
            yield self._checked(self._read(pieces))
            reply.finish_reason = reply.finish_reason or "stop"
            return
        for event in read_events(pieces):
            if event == b"[DONE]":
                reply.finish_reason = reply.finish_reason or "stop"
                deadline.shorten(_AFTER_END_S)
                with contextlib.suppress(AttemptFailed, Cancelled, ReadTimeout):
                    for _ in pieces:  # to the end of the body, so that the connection can be kept
                        pass
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
    def _request(
        self, method: str, path: str, deadline: Deadline, body: bytes | None
    ) -> Iterator[tuple["httpx.Response", Iterator[bytes]]]:
        """Send one request and give the response when its headers are there, and the pieces of its body.

        What isn't read by the end of the `with` is cut off. AttemptFailed or Cancelled when no answer comes.
        """
        headers = {
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",  # a compressed stream may come in lumps
            "User-Agent": "git-mimo",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        with self._lock:
            if self._client is None:
                self._client = open_client(self.endpoint.base_url)
                weakref.finalize(self, close_client, self._client).atexit = False
            client = self._client
        request = client.build_request(
            method,
            self.endpoint.base_url + path,
            content=body,
            headers=headers,
            timeout=(deadline.timeouts.connect_s, None, deadline.timeouts.read_s, None),
        )
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        exchange = run_in_loop(self._exchange(client, request, items))
        received = deadline.receive(items)
        try:
            yield next(received), received
        except ReadTimeout as exc:
            raise truncated_reply(self.endpoint.name, str(exc)) from exc
        finally:
            exchange.cancel()

    async def _exchange(
        self, client: "httpx.AsyncClient", request: "httpx.Request", items: "queue.SimpleQueue[Any]"
    ) -> None:
        """Put the response with its headers, then the pieces of its body, then None, or an AttemptFailed."""
        httpx = import_httpx()
        try:
            response = await client.send(request, stream=True)
            try:
                items.put(response)
                async for piece in response.aiter_bytes():
                    items.put(piece)
            finally:
                await response.aclose()
            items.put(None)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as exc:
            items.put(no_route(self.endpoint.base_url, str(exc) or type(exc).__name__))
        except Exception as exc:  # noqa: BLE001 (the reader must not go on waiting for the rest)
            reason = f"the connection broke ({str(exc) or type(exc).__name__})"
            items.put(truncated_reply(self.endpoint.name, reason))

    def _read(self, pieces: Iterator[bytes]) -> bytes:
        """The whole body, up to 64 MiB."""
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > _BODY_LIMIT_BYTES:
                raise truncated_reply(self.endpoint.name, "the answer is larger than 64 MiB")
        return bytes(body)

    def _failure(self, response: "httpx.Response", pieces: Iterator[bytes]) -> AttemptFailed:
        try:
            body = self._read(pieces)
        except (AttemptFailed, ReadTimeout):
            body = b""
        return self._failure_of(response.status_code, body, response.headers)

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

    def events(
        self, response: "httpx.Response", pieces: Iterator[bytes], deadline: Deadline, reply: ReplyBuilder
    ) -> Iterator[Mapping[str, Any]]:
        """One JSON object a line, as if it were an event of a chat completion."""
        for line in read_lines(pieces):
            yield _as_event(self._checked(line), len(reply.calls))


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
