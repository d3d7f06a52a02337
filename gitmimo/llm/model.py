"""The protocol that every language model obeys, one request to it, and the model behind a server, with retries."""

import dataclasses
import enum
import functools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Protocol, TypeVar

from gitmimo.cancel import NEVER, Cancelled, CancelToken
from gitmimo.errors import ModelError, NoRoute
from gitmimo.llm.providers import Price
from gitmimo.records import Message, Reply, Tool, Usage

DEFAULT_WINDOW = 32_768  # tokens, if unknown
DEFAULT_OUTPUT = 8_192
_SMALLEST_OUTPUT = 16
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Facts about a model: from the local file, the price map, the server's report, or the configuration.

    `name` is as litellm has it (`deepseek/deepseek-chat`, `local/qwen2.5-coder-1.5b`). `window` counts the tokens of
    prompt and reply together, `max_output` those of one reply. `is_small` only where the file's size or the server says
    so. With `accepts_prefill` the server goes on from a last message of the assistant, as llama.cpp and Ollama do.
    """

    name: str
    window: int = DEFAULT_WINDOW
    is_window_known: bool = False
    max_output: int = DEFAULT_OUTPUT
    supports_tools: bool = True
    is_small: bool = False
    accepts_prefill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question to a model. `max_tokens` None asks for as much as the model gives (`ModelInfo.max_output`).

    `on_text` gets the text as it streams, and once more from its beginning after a reply that broke off. When `cancel`
    is set the stream is closed and the text so far is returned with `finish_reason="cancelled"`.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    on_text: Callable[[str], None] | None = None
    cancel: CancelToken = NEVER

    @property
    def output_limit(self) -> int:
        """Tokens that the reply may have; set for every request that reaches a backend."""
        return self.max_tokens or DEFAULT_OUTPUT


class Model(Protocol):
    """A language model. Safe to call from several threads at once."""

    @property
    def info(self) -> ModelInfo:
        """Facts about the model; may ask its server once, for at most two seconds."""

    def complete(self, request: ChatRequest) -> Reply:
        """Answer a conversation. Raises a ModelError after retries, LimitReached when a budget is in the way."""


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


class Backend(Protocol):
    """Carries out one attempt of a request. Safe for several threads."""

    def send(self, request: ChatRequest) -> Reply:
        """Answer without repeating anything; AttemptFailed says what went wrong.

        A cancelled request returns what came; Cancelled is raised when nothing was sent. The reply's `cost_usd` is None
        unless this backend knows the price.
        """

    def close(self) -> None:
        """Let go of connections and processes."""


@dataclass(eq=False)
class RemoteModel:
    """Implements `Model` over a backend: repeats failed attempts, and knows its provider and price (None: unknown).

    `describe` is called when `info` is first asked for.
    """

    name: str
    backend: Backend
    describe: Callable[[], ModelInfo]
    _: KW_ONLY
    provider: str
    price: Price | None
    policy: RetryPolicy

    @functools.cached_property
    def info(self) -> ModelInfo:
        """See `Model.info`."""
        return self.describe()

    def complete(self, request: ChatRequest) -> Reply:
        """See `Model.complete`."""
        fitted = self._fit(request)
        try:
            reply = call_with_retries(lambda: self.backend.send(fitted), self.policy, cancel=request.cancel)
        except Cancelled:
            return cancelled_reply(self.name)
        if reply.cost_usd is None and self.price is not None:
            return dataclasses.replace(reply, cost_usd=self.price.cost_usd(reply.usage))
        return reply

    def with_backend(self, backend: Backend) -> "RemoteModel":
        """The same model, its attempts carried out by another backend."""
        return dataclasses.replace(self, backend=backend, describe=lambda: self.info)

    def close(self) -> None:
        """Let go of connections, and of the local server when this is its last user."""
        self.backend.close()

    def _fit(self, request: ChatRequest) -> ChatRequest:
        """The request with `max_tokens` as the model allows it."""
        most = self.info.max_output
        wanted = most if request.max_tokens is None else min(request.max_tokens, most)
        return dataclasses.replace(request, max_tokens=max(_SMALLEST_OUTPUT, wanted))


def cancelled_reply(name: str) -> Reply:
    """The reply to a request that was cancelled before anything was sent."""
    return Reply(text="", usage=Usage(), finish_reason="cancelled", model=name)


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
