"""Models through litellm: everything that does not speak the language of OpenAI's chat completions."""

import importlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitmimo.cancel import Cancelled
from gitmimo.llm.client import Call
from gitmimo.llm.failures import cut_off, nonsense
from gitmimo.llm.litellm_errors import failure_of, stream_errors
from gitmimo.llm.sse import Assembly, NotAReply
from gitmimo.llm.tokens import likely_prompt, likely_tokens
from gitmimo.llm.transport import Patience, ServerSilent, Timeouts
from gitmimo.llm.wire import messages_json, tools_json
from gitmimo.records import Reply, Usage

_POLL_S = 0.05
_QUEUE_LENGTH = 256
_IMPORT_LOCK = threading.Lock()


def import_litellm() -> Any:
    """Import litellm with its network look-ups and its own printing off. Takes seconds the first time."""
    with _IMPORT_LOCK:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        litellm: Any = importlib.import_module("litellm")
        litellm.suppress_debug_info = True
        litellm.drop_params = True
        litellm.telemetry = False
        return litellm


class LitellmClient:
    """One streamed completion an attempt, read in a thread of its own so that it can be left."""

    def __init__(self, name: str, *, key: str, base_url: str, timeouts: Timeouts) -> None:
        self.name = name
        self._key = key
        self._base_url = base_url
        self._timeouts = timeouts

    def attempt(self, call: Call) -> Reply:
        """See `Client.attempt`."""
        import_litellm()  # its seconds are not the server's silence
        started = time.monotonic()
        patience = Patience(self._timeouts, call.cancelled)
        patience.check()
        growing = Assembly()
        reading = _Reading(lambda: self._open_stream(call))
        try:
            for event in reading.events(patience):
                added = growing.add_event(event)
                if added and call.on_text is not None:
                    call.on_text(added)
                if growing.deltas > call.max_tokens and not growing.finish_reason:
                    return self._reply(growing, call, started, finish_reason="length")
        except Cancelled:
            return self._reply(growing, call, started, finish_reason="cancelled")
        except ServerSilent as exc:
            raise cut_off(self.name, str(exc)) from exc
        except NotAReply as exc:
            raise nonsense(self.name, str(exc)) from exc
        except _StreamFailed as exc:
            raise failure_of(exc.cause, model=self.name, begun=growing.deltas > 0) from exc.cause
        finally:
            reading.leave()
        if not growing.finish_reason:
            raise cut_off(self.name, "the stream ended before the reply did")
        return self._reply(growing, call, started, finish_reason=growing.finish_reason)

    def close(self) -> None:
        """Nothing is kept here."""

    def _open_stream(self, call: Call) -> Iterator[Mapping[str, Any]]:
        litellm = import_litellm()
        messages = messages_json(call.messages)
        if "claude" in self.name or "anthropic" in self.name:
            mark_for_cache(messages)
        optional: dict[str, Any] = {
            "tools": tools_json(call.tools) or None,
            "temperature": call.temperature,
            "seed": call.seed,
            "stop": list(call.stop) or None,
            "api_key": self._key or None,
            "api_base": self._base_url or None,
        }
        stream = litellm.completion(
            model=self.name,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=call.max_tokens,
            timeout=self._timeouts.silence_s,
            num_retries=0,
            max_retries=0,
            **{name: value for name, value in optional.items() if value is not None},
        )
        for chunk in stream:
            yield chunk.model_dump()

    def _reply(self, growing: Assembly, call: Call, started: float, *, finish_reason: str) -> Reply:
        text = "".join(growing.text)
        is_whole = finish_reason == growing.finish_reason
        usage = growing.usage if is_whole else None
        guess = Usage(
            prompt=likely_prompt(call.messages, call.tools), completion=max(growing.deltas, likely_tokens(text))
        )
        return Reply(
            text=text,
            tool_calls=growing.tool_calls() if is_whole else (),
            usage=usage or guess,
            usage_known=usage is not None,
            cost_usd=None,
            finish_reason=finish_reason,
            model=self.name,
            seconds=time.monotonic() - started,
        )


def mark_for_cache(messages: list[dict[str, Any]]) -> None:
    """Put Anthropic's cache marks on the end of the stable prefix and on the newest message."""
    last_system = max((i for i, message in enumerate(messages) if message["role"] == "system"), default=0)
    for index in {last_system, min(last_system + 1, len(messages) - 1), len(messages) - 1}:
        message = messages[index]
        if isinstance(message.get("content"), str) and message["content"]:
            mark = {"type": "text", "text": message["content"], "cache_control": {"type": "ephemeral"}}
            message["content"] = [mark]


# --- reading in a thread ---------------------------------------------------------------------------------------------


class _StreamFailed(Exception):
    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Reading:
    """Pulls a stream in a daemon thread; whoever waits for its events can stop waiting at any time.

    A stream that was left is closed at its next event or at the HTTP client's own time limit.
    """

    def __init__(self, opened: Callable[[], Iterator[Mapping[str, Any]]]) -> None:
        self._events: queue.Queue[Mapping[str, Any] | BaseException | None] = queue.Queue(_QUEUE_LENGTH)
        self._left = threading.Event()
        threading.Thread(target=self._pull, args=(opened,), name="litellm", daemon=True).start()

    def events(self, patience: Patience) -> Iterator[Mapping[str, Any]]:
        """Give the events as they come; raise what the stream or the patience raises."""
        silent_since = time.monotonic()
        while True:
            patience.check()
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - silent_since > patience.timeouts.silence_s:
                    raise ServerSilent(f"nothing came for {patience.timeouts.silence_s:g} s", sent=True) from None
                continue
            silent_since = time.monotonic()
            if event is None:
                return
            if isinstance(event, BaseException):
                raise _StreamFailed(event)
            yield event

    def leave(self) -> None:
        """Tell the thread that nobody listens any more."""
        self._left.set()

    def _pull(self, opened: Callable[[], Iterator[Mapping[str, Any]]]) -> None:
        try:
            for event in opened():
                if not self._put(event):
                    return
        except stream_errors() as exc:
            self._put(exc)
        finally:
            self._put(None)

    def _put(self, event: Mapping[str, Any] | BaseException | None) -> bool:
        while not self._left.is_set():
            try:
                self._events.put(event, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
