"""When the forgery check runs: at the same time as quick tests that can't interfere, else after them."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from gitmimo.evaluator import forgery_check
from gitmimo.evaluator.forgery_check import ForgeryReport
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Outcome
from tests.conftest import GitBuilder
from tests.evaluator.conftest import CALC, PROJECT, RIGHT, TESTS, Judge, gate, measured

ADD, DOUBLE = "tests/test_core.py::test_add", "tests/test_core.py::test_double"
EACH = {
    **PROJECT,
    "calc/core.py": CALC + "CASES = [1]\n",
    "tests/test_core.py": "import pytest\n"
    + TESTS.replace("double\n\n", "double, CASES\n\n")
    + '\n\n@pytest.mark.parametrize("n", CASES)\ndef test_each(n):\n    assert n\n',
}


class Seen:
    """Replaces `check_forgery`; records its arguments and thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[set[str], set[str], bool]] = []
        self.answer = ForgeryReport()

    def __call__(self, _: TestBed, *, passed: Iterable[str], fixed: Iterable[str], **__: object) -> ForgeryReport:
        beside = threading.current_thread().name.startswith("forgery-check")
        self.calls.append((set(passed), set(fixed), beside))
        return self.answer


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()
    monkeypatch.setattr(forgery_check, "check_forgery", seen)
    return seen


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TestBed, "may_run_together", True)
    monkeypatch.setattr(forgery_check, "_QUICK_S", 3600.0)  # on a busy machine no test is quick


@pytest.mark.usefixtures("together")
def test_quick_tests_have_it_beside_them_and_what_it_finds_counts(judge: Judge, seen: Seen) -> None:
    seen.answer = ForgeryReport(forged=(ADD,))
    assert gate(judge({"calc/core.py": RIGHT}), "suite").outcome is Outcome.FAIL
    assert seen.calls == [({DOUBLE}, {ADD}, True)]


@pytest.mark.usefixtures("together")
def test_tests_that_the_base_does_not_know_are_put_to_another_but_flaky_ones_are_known(
    git: GitBuilder, make_bench: Callable[..., TestBed], seen: Seen
) -> None:
    each = "tests/test_core.py::test_each"
    judge = measured(git, make_bench(EACH))
    assert judge({"calc/core.py": RIGHT + "CASES = [1, 2]\n"}).passed
    known = {DOUBLE, f"{each}[1]"}
    assert seen.calls == [(known, {ADD}, True), (known | {ADD, f"{each}[2]"}, {ADD}, False)]
    seen.calls.clear()
    judge.baseline = replace(judge.baseline, flaky_ids=("tests/test_core.py::test_each[2]",))
    assert judge({"calc/core.py": RIGHT + "CASES = [1, 2]\n"}).passed
    assert [beside for _, _, beside in seen.calls] == [True]


@pytest.mark.usefixtures("together")
def test_a_setup_is_not_run_for_nothing(git: GitBuilder, make_bench: Callable[..., TestBed], seen: Seen) -> None:
    assert measured(git, make_bench(setup=("true",)))({"calc/core.py": RIGHT}).passed
    assert [beside for _, _, beside in seen.calls] == [False]


@pytest.mark.parametrize(("together", "most_s"), [(False, 60.0), (True, -1.0)])
def test_others_have_it_after_them(
    judge: Judge, seen: Seen, monkeypatch: pytest.MonkeyPatch, together: bool, most_s: float
) -> None:
    monkeypatch.setattr(TestBed, "may_run_together", together)
    monkeypatch.setattr(forgery_check, "_QUICK_S", most_s)
    assert judge({"calc/core.py": RIGHT}).passed
    assert seen.calls == [({ADD, DOUBLE}, {ADD}, False)]


@pytest.mark.usefixtures("together")
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
