"""The one coordinator of repeated requests: how often, how long to wait between, and when to stop."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.errors import NoRoute
from gitmimo.llm.failures import AttemptFailed, Retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient repeated requests are. A server that asks for more than `longest_wait_s` ends them."""

    attempts: int = 6
    attempts_truncated: int = 3  # of replies that broke off: each may have been charged
    attempts_no_route: int = 3
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
        cancel.sleep(wait_s)


def wait_before_next(policy: RetryPolicy, failed: AttemptFailed, failures: int, chance: float) -> float | None:
    """Seconds to wait after the `failures`-th failure; None when there is no next attempt."""
    if failed.retry is Retry.NEVER or failed.retry_after_s > policy.longest_wait_s:
        return None
    allowed = policy.attempts
    if failed.retry is Retry.TRUNCATED:
        allowed = policy.attempts_truncated
    elif isinstance(failed.error, NoRoute):
        allowed = policy.attempts_no_route
    if failures >= allowed:
        return None
    backoff = min(policy.longest_wait_s, policy.first_wait_s * 2.0 ** (failures - 1))
    return max(backoff * (1 - chance / 2), failed.retry_after_s * (1 + chance / 10))
