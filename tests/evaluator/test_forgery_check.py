"""When the forgery check runs: at the same time as quick tests that can't interfere, else after them."""

import threading
import time
from collections.abc import Callable, Iterable

import pytest

from gitmimo.evaluator import forgery_check
from gitmimo.evaluator.forgery_check import ForgeryReport
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Outcome
from tests.conftest import GitBuilder
from tests.evaluator.conftest import PROJECT, RIGHT, Judge, gate, measured

ADD, DOUBLE = "tests/test_core.py::test_add", "tests/test_core.py::test_double"


class Seen:
    """Replaces `check_forgery`; records its arguments and thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[set[str], set[str], bool]] = []
        self.answer = ForgeryReport()

    def __call__(self, _: TestBed, *, passed: Iterable[str], fixed: Iterable[str], **__: object) -> ForgeryReport:
        beside = threading.current_thread().name.startswith("beside")
        self.calls.append((set(passed), set(fixed), beside))
        return self.answer


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()
    monkeypatch.setattr(forgery_check, "check_forgery", seen)
    monkeypatch.setattr(TestBed, "may_run_together", True)
    monkeypatch.setattr(forgery_check, "_QUICK_S", 3600.0)  # on a busy machine no test is quick
    return seen


def test_quick_tests_have_it_beside_them_and_what_it_finds_counts(judge: Judge, seen: Seen) -> None:
    seen.answer = ForgeryReport(forged=(ADD,))
    assert gate(judge({"calc/core.py": RIGHT}), "suite").outcome is Outcome.FAIL
    assert seen.calls == [({DOUBLE}, {ADD}, True)]


@pytest.mark.parametrize(
    ("together", "most_s", "setup"), [(False, 60.0, ()), (True, -1.0, ()), (True, 60.0, ("true",))]
)
def test_others_have_it_after_them(
    git: GitBuilder,
    make_bench: Callable[..., TestBed],
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
    *,
    together: bool,
    most_s: float,
    setup: tuple[str, ...],
) -> None:
    monkeypatch.setattr(TestBed, "may_run_together", together)
    monkeypatch.setattr(forgery_check, "_QUICK_S", most_s)
    assert measured(git, make_bench(setup=setup))({"calc/core.py": RIGHT}).passed
    assert seen.calls == [({ADD, DOUBLE}, {ADD}, False)]


@pytest.mark.usefixtures("seen")
def test_it_ends_when_the_tests_fail(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def waits(testbed: TestBed, *_: object, **__: object) -> ForgeryReport:
        end = time.monotonic() + 60
        while not testbed.cancelled() and time.monotonic() < end:
            time.sleep(0.01)
        told.append(testbed.cancelled())
        return ForgeryReport()

    monkeypatch.setattr(forgery_check, "check_forgery", waits)
    evidence = judge({"calc/core.py": RIGHT.replace("a * 2", "a * 3")})
    assert gate(evidence, "suite").outcome is Outcome.FAIL
    assert told == [True]


def test_tests_that_the_base_cannot_import_are_checked_after_them(
    git: GitBuilder, make_bench: Callable[..., TestBed], seen: Seen
) -> None:
    half = "from calc.half import half\n\n\ndef test_half():\n    assert half(4) == 2\n"
    judge = measured(git, make_bench({**PROJECT, "calc/core.py": RIGHT, "tests/test_half.py": half}))
    assert judge({"calc/half.py": "def half(a):\n    return a / 2\n"}).passed
    new = "tests/test_half.py::test_half"
    assert seen.calls == [({ADD, DOUBLE, new}, {new}, False)]
