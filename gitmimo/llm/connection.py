"""One exchange with a model's server: its time limits, the HTTP client, and its failures in the user's words."""

import contextlib
import importlib
import json
import queue
import re
import sys
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.errors import BadReply, ConfigError, ContextOverflow, NoRoute, RateLimited, UnknownModel, WrongKey
from gitmimo.ids import utc_now
from gitmimo.llm.model import AttemptFailed, Retry

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import Future

    import httpx

_OVERFLOW = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|too many tokens|prompt is too long|exceed_context|"
    r"input is too long|exceeds? the (available|model'?s?) (context|maximum)|reduce the length",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"model[^.]{0,80}(not (found|exist|supported)|does ?n[o']t exist|invalid|unknown)|"
    r"(unknown|invalid|unsupported|no such) model|model_not_found",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credit|funds)|billing|payment required|out of credit", re.IGNORECASE
)
_POLL_S = 0.05
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

T = TypeVar("T")


class ReadTimeout(Exception):
    """A time limit passed after the request was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one exchange: to connect, of silence between two pieces, and altogether."""

    connect_s: float = 10.0
    read_s: float = 180.0
    total_s: float = 900.0


class Deadline:
    """When one exchange has to end: at its time limit, or when the caller gave up."""

    def __init__(self, timeouts: Timeouts, cancel: CancelToken = NEVER) -> None:
        self.timeouts = timeouts
        self.cancel = cancel
        self._ends = time.monotonic() + timeouts.total_s

    def shorten(self, seconds: float) -> None:
        """Allow only so much more: nothing of worth is still to come."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def check(self) -> None:
        """Raise Cancelled or ReadTimeout when it is over."""
        self.cancel.check()
        if time.monotonic() > self._ends:
            raise ReadTimeout(f"no end after {self.timeouts.total_s:g} s")

    def receive(self, items: "queue.SimpleQueue[T | Exception | None]") -> Iterator[T]:
        """Yield the queue's items until None; raise an exception from the queue, and as `check` does."""
        silent_since = time.monotonic()
        while True:
            self.check()
            try:
                item = items.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - silent_since > self.timeouts.read_s:
                    raise ReadTimeout(f"nothing came for {self.timeouts.read_s:g} s") from None
                continue
            silent_since = time.monotonic()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item


# --- the HTTP client ---


def import_httpx() -> Any:
    """Import httpx, which takes 80 ms, without its own command line, which would load rich and pygments too."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    return importlib.import_module("httpx")


def open_client(base_url: str) -> "httpx.AsyncClient":
    """A client that keeps its connections to one server. ConfigError when the address, or the proxy's, is none.

    Proxies are httpx's: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` (http, https, socks5; with user and password) and
    `NO_PROXY`; loopback addresses are always reached directly. Certificates: the system's, for companies with their
    own, and certifi's, for systems that have none.
    """
    library = import_httpx()
    try:
        url = library.URL(base_url)
    except library.InvalidURL as exc:
        raise ConfigError(f"not an address of a model server: `{base_url}`: {exc}") from exc
    is_near = url.host in _LOOPBACK
    certificates = None
    if url.scheme == "https" or not is_near:  # a proxy may be reached over TLS
        certificates = library.create_ssl_context()
        certificates.load_default_certs()
    limits = library.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=120)
    try:
        client: httpx.AsyncClient = library.AsyncClient(
            limits=limits, trust_env=not is_near, verify=certificates or False
        )
    except (ValueError, ImportError) as exc:
        raise ConfigError(f"the proxy of the environment cannot be used: {exc}") from exc
    return client


def close_client(client: "httpx.AsyncClient") -> "Future[None]":
    """Close the kept connections and cut those in use."""
    return run_in_loop(client.aclose())


_lock = threading.Lock()
_loops: "list[AbstractEventLoop]" = []


def run_in_loop(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Run a coroutine in this process's event loop for requests, in a daemon thread of its own."""
    import asyncio

    with _lock:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_loops[0].run_forever, name="requests", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loops[0])


# --- failed attempts in the user's words ---


def failure_of_status(
    status: int, body: bytes, headers: Mapping[str, str], *, model: str, where: str, provider: str
) -> AttemptFailed:
    """Translate an HTTP answer that is not a reply. Providers charge nothing for these."""
    text = error_text(body)
    detail = f": {text}" if text else ""
    if status == 402 or (_NO_CREDIT.search(text) and not retry_after(headers)):
        return AttemptFailed(
            RateLimited(f"`{provider}` is out of credit{detail}", hint=f"add credit to your {provider} account")
        )
    if status in (401, 403):
        return wrong_key(provider, detail)
    if status in (400, 413, 422) and _OVERFLOW.search(text):
        return overflow(model, detail)
    if status in (400, 404, 422) and (_UNKNOWN_MODEL.search(text) or (status == 404 and "model" in text.lower())):
        return unknown_model(model, where, detail)
    if status in (404, 405):
        return AttemptFailed(
            NoRoute(f"no chat-completions endpoint at {where}{detail}", hint="does the address end as in `…/v1`?")
        )
    if status in (429, 529):
        return AttemptFailed(
            RateLimited(f"`{provider}` is over its rate limit{detail}", hint="try again later, or fewer at once"),
            retry=Retry.LATER,
            retry_after_s=retry_after(headers),
        )
    if status >= 500 or status in (408, 409, 425):
        return AttemptFailed(
            BadReply(f"the server of `{model}` failed with status {status}{detail}", hint="try again later"),
            retry=Retry.LATER,
            retry_after_s=retry_after(headers),
        )
    return AttemptFailed(BadReply(f"the server of `{model}` refused the request with status {status}{detail}"))


def wrong_key(provider: str, detail: str) -> AttemptFailed:
    """The provider refused the key."""
    hint = f"git mimo config set --provider {provider} --api-key KEY"
    return AttemptFailed(WrongKey(f"`{provider}` refused the API key{detail}", hint=hint))


def overflow(model: str, detail: str) -> AttemptFailed:
    """The prompt is larger than the model's window."""
    return AttemptFailed(ContextOverflow(f"the prompt does not fit the window of `{model}`{detail}"))


def unknown_model(model: str, where: str, detail: str) -> AttemptFailed:
    """The provider has no such model."""
    hint = "git mimo models list  # or see the provider's own list"
    return AttemptFailed(UnknownModel(f"no model named `{model}` at {where}{detail}", hint=hint))


def no_route(where: str, reason: str) -> AttemptFailed:
    """No connection; nothing was sent."""
    hint = "check the network and the address: git mimo config get baseUrl"
    return AttemptFailed(NoRoute(f"no connection to {where} ({reason})", hint=hint), retry=Retry.LATER)


def truncated_reply(model: str, reason: str) -> AttemptFailed:
    """The request arrived and no whole reply came back."""
    return AttemptFailed(BadReply(f"no whole reply came from `{model}`: {reason}"), retry=Retry.TRUNCATED, charged=True)


def malformed_reply(model: str, reason: str) -> AttemptFailed:
    """Something came back that is not a chat completion."""
    return AttemptFailed(BadReply(f"malformed reply from `{model}`: {reason}"), retry=Retry.TRUNCATED, charged=True)


def error_text(body: bytes) -> str:
    """The message inside a provider's error body, on one line and short."""
    text = body.decode("utf-8", "replace")
    try:
        found = _message_in(json.loads(text))
    except ValueError:
        found = "" if "<html" in text.lower() else text
    return " ".join(found.split())[:300]


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait: `Retry-After` as seconds or date, or the millisecond variant."""
    millis, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    try:
        return max(0.0, float(millis) / 1000 if millis else float(value or 0))
    except ValueError:
        with contextlib.suppress(ValueError, TypeError):
            return max(0.0, (parsedate_to_datetime(value) - utc_now()).total_seconds())
    return 0.0


def _message_in(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, Mapping):
        for name in ("error", "message", "detail", "msg"):
            if value.get(name):
                return _message_in(value[name])
        return ""
    return value if isinstance(value, str) else ""
