"""Time limits of a request to a model, its failures and their messages, and when to retry."""

import enum
import json
import logging
import queue
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.errors import (
    BadReply,
    ContextOverflow,
    ModelError,
    NoRoute,
    RateLimited,
    UnknownModel,
    WrongKey,
)
from gitmimo.ids import utc_now

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

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)
_LOG = logging.getLogger(__name__)


class ReadTimeout(Exception):
    """A time limit passed after the request was sent."""


class ConnectFailed(Exception):
    """No connection came about, so the server has seen nothing of the request."""


class ConnectionLost(Exception):
    """The connection broke after the request was sent."""


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

    def receive(
        self, items: "queue.SimpleQueue[Item | Exception | None] | queue.Queue[Item | Exception | None]"
    ) -> Iterator[Item]:
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


class Retry(enum.Enum):
    """Whether and when to retry after a failure."""

    NEVER = "never"
    LATER = "later"  # the server is loaded or faulty: wait, longer each time
    TRUNCATED = "truncated"  # the answer broke off: worth a few tries, each of which may be charged


class AttemptFailed(Exception):
    """One attempt gave no reply. `charged` says that the provider may have counted tokens for it."""

    def __init__(
        self, error: ModelError, *, retry: Retry = Retry.NEVER, charged: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry = retry
        self.charged = charged
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long to retry. A server that asks for more than `longest_wait_s` ends the retries."""

    attempts: int = 6
    attempts_unlikely: int = 3  # where nobody answers, and of replies that broke off, each of which may be charged
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    total_s: float = 600.0


def call_with_retries(
    attempt: Callable[[], T],
    policy: RetryPolicy,
    *,
    cancel: CancelToken = NEVER,
    chance: Callable[[], float] = random.random,
) -> T:
    """Repeat `attempt` while it fails in a way that may pass; raise its last error as the user should read it.

    Waits double from `first_wait_s`, each cut by up to half at random so that candidates don't come back together;
    Retry-After counts when it is longer. Raises Cancelled when the caller gave up while waiting.
    """
    started = time.monotonic()
    failures = 0
    while True:
        try:
            return attempt()
        except AttemptFailed as failed:
            failures += 1
            wait_s = wait_before_next(policy, failed, failures, chance())
            if wait_s is None or time.monotonic() - started + wait_s > policy.total_s:
                raise failed.error from failed
            reason = failed.error.message
        _LOG.info("waits %.0f s before it asks again: %s", wait_s, reason)
        cancel.sleep(wait_s)


def wait_before_next(policy: RetryPolicy, failed: AttemptFailed, failures: int, chance: float) -> float | None:
    """Seconds to wait after the `failures`-th failure; None when there is no next attempt."""
    if failed.retry is Retry.NEVER or failed.retry_after_s > policy.longest_wait_s:
        return None
    is_unlikely = failed.retry is Retry.TRUNCATED or isinstance(failed.error, NoRoute)
    if failures >= (policy.attempts_unlikely if is_unlikely else policy.attempts):
        return None
    backoff = min(policy.longest_wait_s, policy.first_wait_s * 2.0 ** (failures - 1))
    return max(backoff * (1 - chance / 2), failed.retry_after_s * (1 + chance / 10))


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
        return AttemptFailed(wrong_key(provider, detail))
    if status in (400, 413, 422) and _OVERFLOW.search(text):
        return AttemptFailed(overflow(model, detail))
    if status in (400, 404, 422) and (_UNKNOWN_MODEL.search(text) or (status == 404 and "model" in text.lower())):
        return AttemptFailed(unknown_model(model, where, detail))
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


def wrong_key(provider: str, detail: str = "") -> WrongKey:
    """The provider refused the key."""
    return WrongKey(
        f"`{provider}` refused the API key{detail}", hint=f"git mimo config set --provider {provider} --api-key KEY"
    )


def overflow(model: str, detail: str = "") -> ContextOverflow:
    """The prompt is larger than the model's window."""
    return ContextOverflow(f"the prompt does not fit the window of `{model}`{detail}")


def unknown_model(model: str, where: str, detail: str = "") -> UnknownModel:
    """The provider has no such model."""
    return UnknownModel(
        f"no model named `{model}` at {where}{detail}", hint="git mimo models list  # or see the provider's own list"
    )


def no_route(where: str, reason: str) -> AttemptFailed:
    """No connection; nothing was sent."""
    return AttemptFailed(
        NoRoute(
            f"no connection to {where} ({reason})",
            hint="check the network and the address: git mimo config get baseUrl",
        ),
        retry=Retry.LATER,
    )


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
    millis = headers.get("retry-after-ms", "")
    value = headers.get("retry-after", "")
    try:
        if millis:
            return max(0.0, float(millis) / 1000)
        if value:
            return max(0.0, float(value))
    except ValueError:
        try:
            return max(0.0, (parsedate_to_datetime(value) - utc_now()).total_seconds())
        except (ValueError, TypeError):
            return 0.0
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
