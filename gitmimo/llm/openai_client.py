"""Direct client of OpenAI-compatible servers: one streamed chat completion over a kept connection."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo.cancel import Cancelled
from gitmimo.llm.client import Call
from gitmimo.llm.failures import AttemptFailed, cut_off, failure_of_status, no_route, nonsense
from gitmimo.llm.sse import Assembly, ErrorInStream, NotAReply, read_events
from gitmimo.llm.tokens import likely_prompt, likely_tokens
from gitmimo.llm.transport import Broken, Patience, Response, ServerSilent, Timeouts, Transport, Unreachable
from gitmimo.llm.wire import encode, known_refusals, refused_field, request_body
from gitmimo.records import Reply, Usage

_AFTER_END_S = 0.5
_CHARACTERS_A_TOKEN = 64  # more than any real token: a stream beyond is endless
_SPARE_CHARACTERS = 65_536
_SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is served and how it is asked. `extra` goes into every request as it is (grammar, json_schema)."""

    provider: str
    model: str  # as the server calls it
    name: str  # as the user calls it
    key: str = field(default="", repr=False)
    timeouts: Timeouts = Timeouts()
    extra: Mapping[str, Any] = field(default_factory=dict)


class OpenAIClient:
    """Streams one chat completion an attempt.

    Bounded: silence, wall clock, the number of deltas (one token at least each, so never more than `max_tokens`) and
    the reply's size. A server that refuses an optional field is asked again without it, and not sent it any more.
    """

    path = "/chat/completions"

    def __init__(self, endpoint: Endpoint, transport: Transport) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._left_out = known_refusals(endpoint.provider, endpoint.model)

    def attempt(self, call: Call) -> Reply:
        """See `Client.attempt`."""
        started = time.monotonic()
        patience = Patience(self.endpoint.timeouts, call.cancelled)
        patience.check()
        while True:
            body = self.body(call)
            try:
                response = self._send(encode(body), patience)
            except Cancelled:  # sent, so it may be charged
                return self._reply(Assembly(), call, started, finish_reason="cancelled")
            with response:
                if response.status < 300:
                    return self._read_reply(response, call, patience, started)
                failed = self._failure(response)
            refused = refused_field(failed.error.message, body) if response.status in (400, 422) else ""
            if not refused or refused in self._left_out:
                raise failed
            self._left_out.add(refused)

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def body(self, call: Call) -> dict[str, Any]:
        """The request as this server's language has it."""
        return request_body(
            call, model=self.endpoint.model, left_out=frozenset(self._left_out), extra=self.endpoint.extra
        )

    def events(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The events of a streamed answer, `[DONE]` last where the language has an end mark."""
        return read_events(chunks)

    def add(self, growing: Assembly, data: bytes) -> str:
        """Take one event into the reply and return the text that it adds."""
        return growing.add(data)

    def _send(self, body: bytes, patience: Patience) -> Response:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "User-Agent": "git-mimo",
        }
        if self.endpoint.key:
            headers["Authorization"] = f"Bearer {self.endpoint.key}"
        try:
            return self._transport.request("POST", self.path, body=body, headers=headers, patience=patience)
        except Unreachable as exc:
            raise no_route(self._transport.base_url, str(exc)) from exc
        except (Broken, ServerSilent) as exc:
            raise cut_off(self.endpoint.name, str(exc)) from exc

    def _failure(self, response: Response) -> AttemptFailed:
        try:
            body = response.read()
        except (Broken, ServerSilent):
            body = b""
        if len(self.endpoint.key) >= _SHORTEST_KEY:  # some servers repeat it in their message
            body = body.replace(self.endpoint.key.encode(), b"***")
        return failure_of_status(
            response.status,
            body,
            response.headers,
            model=self.endpoint.name,
            where=self._transport.base_url,
            provider=self.endpoint.provider,
        )

    def _read_reply(self, response: Response, call: Call, patience: Patience, started: float) -> Reply:
        growing = Assembly()
        try:
            if "application/json" in response.headers.get("content-type", ""):
                added = growing.add(response.read())
                growing.finish_reason = growing.finish_reason or "stop"
                if added and call.on_text is not None:
                    call.on_text(added)
            elif self._read_stream(response, call, patience, growing):
                return self._reply(growing, call, started, finish_reason="length")
        except Cancelled:
            return self._reply(growing, call, started, finish_reason="cancelled")
        except (Broken, ServerSilent) as exc:
            raise cut_off(self.endpoint.name, str(exc)) from exc
        except NotAReply as exc:
            raise nonsense(self.endpoint.name, str(exc)) from exc
        except ErrorInStream as exc:
            raise self._failure_in_stream(str(exc)) from exc
        if not growing.finish_reason:
            raise cut_off(self.endpoint.name, "the stream ended before the reply did")
        return self._reply(growing, call, started, finish_reason=growing.finish_reason)

    def _read_stream(self, response: Response, call: Call, patience: Patience, growing: Assembly) -> bool:
        """Read to the end; True when the stream went on past every limit and was cut."""
        most = call.max_tokens * _CHARACTERS_A_TOKEN + _SPARE_CHARACTERS
        events = self.events(response.chunks())
        for data in events:
            if data == b"[DONE]":
                growing.finish_reason = growing.finish_reason or "stop"
                _read_rest(events, patience)
                return False
            if not data:
                continue
            added = self.add(growing, data)
            if added and call.on_text is not None:
                call.on_text(added)
            if not growing.finish_reason and (growing.deltas > call.max_tokens or growing.size > most):
                return True
        return False

    def _failure_in_stream(self, text: str) -> AttemptFailed:
        """An error event: what its code says, but the prompt may have been counted."""
        error = json.loads(text)["error"]
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) else 500
        failed = failure_of_status(
            status,
            text.encode(),
            {},
            model=self.endpoint.name,
            where=self._transport.base_url,
            provider=self.endpoint.provider,
        )
        failed.charged = True
        return failed

    def _reply(self, growing: Assembly, call: Call, started: float, *, finish_reason: str) -> Reply:
        text = "".join(growing.text)
        is_whole = finish_reason == growing.finish_reason
        usage = growing.usage if is_whole else None
        guess = Usage(
            prompt=likely_prompt(call.messages, call.tools),
            completion=max(growing.deltas, likely_tokens(text)),
        )
        return Reply(
            text=text,
            tool_calls=growing.tool_calls() if is_whole else (),
            usage=usage or guess,
            usage_known=usage is not None,
            cost_usd=None,
            finish_reason=finish_reason,
            model=self.endpoint.name,
            seconds=time.monotonic() - started,
        )


def _read_rest(events: Iterator[bytes], patience: Patience) -> None:
    """Read on to the end of the body, briefly, so that the connection can be kept."""
    patience.hurry(_AFTER_END_S)
    try:
        for _ in events:
            pass
    except (Broken, Cancelled, ServerSilent, NotAReply):
        return
