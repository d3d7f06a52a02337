"""A pytest plugin that ends a test that hangs, so that the tests after it still run.

A test may take HANG_AFTER_S seconds (an environment variable) or ten times the slowest one before it, whichever is
longer; then an exception is raised where it stands, and it fails with that stack. Copied out under other names; it
imports nothing of git-mimo. It works in the main thread only, and not where somebody else uses SIGALRM: such a test
lasts until the limit of the whole run.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

_TIMES = 10
_AGAIN_S = 1.0  # for code that catches everything and goes on
_times_s = {"least": float(os.environ.get("HANG_AFTER_S", "10")), "slowest": 0.0}


class TestHangs(BaseException):
    """Not an `Exception`, so that code that catches those does not go on hanging."""

    __test__ = False


@pytest.hookimpl(hookwrapper=True)
def _guarded() -> Iterator[None]:
    """Run one phase of a test under the limit."""
    usable = threading.current_thread() is threading.main_thread()
    if not usable or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    limit_s = max(_times_s["least"], _TIMES * _times_s["slowest"])
    begun = time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"
        raise TestHangs(f"the test hangs: it did not end within {limit_s:.0f} s and was stopped at {where}")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        took_s = time.monotonic() - begun
        if took_s < limit_s:
            _times_s["slowest"] = max(_times_s["slowest"], took_s)


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = _guarded
