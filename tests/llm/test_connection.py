"""HTTP answers that are no replies, in the user's words, and when the next attempt is due."""

import time

import pytest

from gitmimo.cancel import Cancelled, CancelToken
from gitmimo.errors import BadReply, ContextOverflow, ModelError, NoRoute, RateLimited, UnknownModel, WrongKey
from gitmimo.llm.connection import error_text, failure_of_status, no_route, retry_after
from gitmimo.llm.model import AttemptFailed, Retry, RetryPolicy, call_with_retries, wait_before_next


def failure(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> AttemptFailed:
    return failure_of_status(status, body, headers or {}, model="p/m", where="http://h/v1", provider="p")


@pytest.mark.parametrize(
    ("status", "body", "kind", "repeat"),
    [
        (401, b'{"error": {"message": "no"}}', WrongKey, Retry.NEVER),
        (403, b"", WrongKey, Retry.NEVER),
        (402, b'{"error": "Payment Required"}', RateLimited, Retry.NEVER),
        (
            429,
            b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}',
            RateLimited,
            Retry.LATER,
        ),
        (429, b'{"error": {"message": "insufficient_quota"}}', RateLimited, Retry.NEVER),
        (404, b'{"error": {"message": "The model `m` does not exist"}}', UnknownModel, Retry.NEVER),
        (404, b'{"error":"model \'m\' not found"}', UnknownModel, Retry.NEVER),
        (400, b'{"error": {"message": "Model Not Exist"}}', UnknownModel, Retry.NEVER),
        (404, b"<html>nginx</html>", NoRoute, Retry.NEVER),
        (400, b'{"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}', ContextOverflow, Retry.NEVER),
        (400, b'{"error":{"message":"the request exceeds the available context size"}}', ContextOverflow, Retry.NEVER),
        (400, b'{"detail": [{"msg": "field required"}]}', BadReply, Retry.NEVER),
        (500, b"", BadReply, Retry.LATER),
        (529, b"overloaded", RateLimited, Retry.LATER),
    ],
)
def test_a_status_becomes_an_error(status: int, body: bytes, kind: type[ModelError], repeat: Retry) -> None:
    failed = failure(status, body)
    assert type(failed.error) is kind
    assert failed.retry is repeat
    assert not failed.charged


def test_the_message_inside_a_body_is_found() -> None:
    assert error_text(b'{"error": {"message": "line\\none"}}') == "line one"
    assert error_text(b'[{"error": {"message": "x"}}]') == "x"
    assert error_text(b"plain words") == "plain words"
    assert error_text(b"<HTML>page</HTML>") == ""
    assert len(error_text(b"x" * 5000)) == 300


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after({"retry-after": "2.5"}) == 2.5
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}) > 1e9
    assert retry_after({"retry-after": "soon"}) == 0
    assert retry_after({}) == 0


def test_waits_double_up_to_a_cap_and_end() -> None:
    policy = RetryPolicy(attempts=5, first_wait_s=1, longest_wait_s=4)
    failed = failure(500)
    assert [wait_before_next(policy, failed, n, 0.0) for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 4, None]
    assert wait_before_next(policy, failed, 2, 1.0) == 1
    asked = failure(429, headers={"retry-after": "3"})
    assert wait_before_next(policy, asked, 1, 0.0) == 3
    assert wait_before_next(policy, failure(429, headers={"retry-after": "5"}), 1, 0.0) is None
    assert wait_before_next(policy, no_route("h", "refused"), policy.attempts_unlikely, 0.0) is None


def test_retries_end_with_the_whole_time() -> None:
    started = time.monotonic()

    def attempt() -> None:
        raise failure(500)

    with pytest.raises(BadReply):
        call_with_retries(attempt, RetryPolicy(attempts=99, first_wait_s=0.05, total_s=0.2))
    assert time.monotonic() - started < 5


def test_a_caller_that_gave_up_is_not_kept_waiting() -> None:
    def attempt() -> None:
        raise failure(500)

    with pytest.raises(Cancelled):
        call_with_retries(attempt, RetryPolicy(first_wait_s=60), cancel=CancelToken(lambda: True))
