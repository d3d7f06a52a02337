"""Models through litellm: all that do not use OpenAI's chat completion format."""

import importlib
import os
import queue
import re
import threading
import time
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from gitmimo.errors import BadReply, NoKey
from gitmimo.llm.chat_format import ReplyBuilder, messages_json, tools_json
from gitmimo.llm.connection import (
    Deadline,
    Timeouts,
    error_text,
    failure_of_status,
    no_route,
    overflow,
    truncated_reply,
    unknown_model,
    wrong_key,
)
from gitmimo.llm.model import AttemptFailed, ChatRequest
from gitmimo.records import Reply

_IMPORT_LOCK = threading.Lock()
_RETRY_DELAY = re.compile(r'"retryDelay":\s*"([\d.]+)s"')
_CLASS_NAMES = re.compile(r"\A(?:(?:litellm\.)?\w*(?:Error|Exception|Timeout)\b[:.]? *)+(?:- *)?")


def import_litellm() -> Any:
    """Import litellm with its network look-ups and its own printing off. Takes seconds the first time."""
    with _IMPORT_LOCK:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        litellm: Any = importlib.import_module("litellm")
        litellm.suppress_debug_info = True
        litellm.drop_params = True
        litellm.telemetry = False
        return litellm


@dataclass(eq=False)
class LitellmBackend:
    """One streamed completion an attempt, read in a thread of its own so that it can be left.

    With `wants_reasoning` the provider gets the thoughts of the current turn back (signed, with Anthropic).
    """

    name: str
    _: KW_ONLY
    key: str = field(repr=False)
    base_url: str
    timeouts: Timeouts
    wants_reasoning: bool = False

    def send(self, request: ChatRequest) -> Reply:
        """See `Backend.send`."""
        import_litellm()  # its seconds are not the server's silence
        started = time.monotonic()
        deadline = Deadline(self.timeouts, request.cancel)
        deadline.check()
        reply = ReplyBuilder(keeps_reasoning=self.wants_reasoning)
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        left = threading.Event()
        threading.Thread(target=self._pull, args=(request, items, left), name="litellm", daemon=True).start()
        try:
            return reply.read(deadline.receive(items), request, model=self.name, started=started)
        finally:
            left.set()

    def close(self) -> None:
        """Nothing is kept here."""

    def _pull(self, request: ChatRequest, items: "queue.SimpleQueue[Any]", left: threading.Event) -> None:
        """Put the stream's events, then None, or an AttemptFailed.

        A stream that was left is closed at its next event or at the HTTP client's own time limit.
        """
        messages = messages_json(request.messages, reasoning=self.wants_reasoning)
        if "claude" in self.name or "anthropic" in self.name:
            mark_for_cache(messages)
        optional: dict[str, Any] = {
            "tools": tools_json(request.tools) or None,
            "temperature": request.temperature,
            "seed": request.seed,
            "stop": list(request.stop) or None,
            "api_key": self.key or None,
            "api_base": self.base_url or None,
        }
        begun = False
        try:
            stream = import_litellm().completion(
                model=self.name,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
                max_tokens=request.output_limit,
                timeout=self.timeouts.read_s,
                num_retries=0,
                max_retries=0,
                **{name: value for name, value in optional.items() if value is not None},
            )
            for chunk in stream:
                if left.is_set():
                    return
                items.put(chunk.model_dump())
                begun = True
            items.put(None)
        except Exception as exc:  # noqa: BLE001 (adapters meet unexpected answers with any class)
            items.put(failure_of(exc, model=self.name, begun=begun))


def mark_for_cache(messages: list[dict[str, Any]]) -> None:
    """Put Anthropic's cache marks on the end of the stable prefix and on the newest message."""
    last_system = max((i for i, message in enumerate(messages) if message["role"] == "system"), default=0)
    for index in {last_system, min(last_system + 1, len(messages) - 1), len(messages) - 1}:
        message = messages[index]
        if isinstance(message.get("content"), str) and message["content"]:
            mark = {"type": "text", "text": message["content"], "cache_control": {"type": "ephemeral"}}
            message["content"] = [mark]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def failure_of(error: BaseException, *, model: str, begun: bool) -> AttemptFailed:
    """Translate an exception of litellm: by its class where that says more than the HTTP status."""
    failed = _translate(error, model)
    failed.charged = failed.charged or begun
    return failed


def _translate(error: BaseException, model: str) -> AttemptFailed:
    classes = {kind.__name__ for kind in type(error).__mro__}
    text, provider = _text_of(error), _provider(error, model)
    detail = f": {text}"
    if classes & {"AuthenticationError", "PermissionDeniedError"} or type(error).__name__ == "OpenAIError":
        if "missing" in text.lower() or "must be set" in text or "No API key" in text:
            hint = f"git mimo config set --provider {provider} --api-key KEY"
            return AttemptFailed(NoKey(f"`{provider}` needs an API key", hint=hint))
        return wrong_key(provider, detail)
    if "ContextWindowExceededError" in classes:
        return overflow(model, detail)
    if classes & {"NotFoundError", "LiteLLMUnknownProvider", "ModelNotMappedError"}:
        return unknown_model(model, f"`{provider}`", detail)
    if classes & {"Timeout", "MidStreamFallbackError"}:
        return truncated_reply(model, text)
    if "APIConnectionError" in classes or "onnection error" in text or "annot connect" in text:
        is_refused = "onnect" in text and "peer closed" not in text
        return no_route(f"`{provider}`", text) if is_refused else truncated_reply(model, text)
    if isinstance(getattr(error, "status_code", None), int):
        return _by_status(error, model)
    return AttemptFailed(BadReply(f"`{model}` failed: {type(error).__name__}{detail}"), charged=True)


def _by_status(error: BaseException, model: str) -> AttemptFailed:
    response = getattr(error, "response", None)
    sent = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    provider = _provider(error, model)
    headers = {str(name).lower(): str(value) for name, value in dict(sent).items()}
    if delay := _RETRY_DELAY.search(_raw_text(error)):  # Google's way: a quota that comes back
        headers.setdefault("retry-after", delay[1])
    return failure_of_status(
        getattr(error, "status_code", 500),
        _text_of(error).encode(),
        headers,
        model=model,
        where=f"`{provider}`",
        provider=provider,
    )


def _text_of(error: BaseException) -> str:
    return error_text(_CLASS_NAMES.sub("", _raw_text(error)).encode()) or type(error).__name__


def _raw_text(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error)


def _provider(error: BaseException, model: str) -> str:
    return str(getattr(error, "llm_provider", "") or model.partition("/")[0])
