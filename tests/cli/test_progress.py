"""What a person sees while a session runs."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from gitmimo.cli.progress import LiveTable, watching
from gitmimo.errors import ModelError
from gitmimo.llm.model import AttemptFailed, Retry, RetryPolicy, call_with_retries
from gitmimo.workflow.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(table: LiveTable, columns: int = 110) -> str:
    out = io.StringIO()
    console = Console(file=out, width=columns, no_color=True)
    console.print(table.draw())
    return out.getvalue()


@pytest.fixture
def made() -> tuple[LiveTable, Clock, Callable[..., None]]:
    clock = Clock()
    table = LiveTable("session 13nie9k54q, budget $2.00", clock=clock)
    return table, clock, lambda number, phase, **facts: table.observe(Progress(number=number, phase=phase, **facts))


def test_the_head_names_the_session_its_budget_and_what_it_does(
    made: tuple[LiveTable, Clock, Callable[..., None]],
) -> None:
    table, clock, observe = made
    observe(0, "base", text="running the tests of the base commit")
    observe(1, "work", model="openai/good", text="$ cat app.py", cost_usd=0.004)
    observe(0, "base", tests="4 passing, 3 failing")
    clock.now = 5.0
    text = shown(table)
    assert text.startswith("working  5.0s  $0.0040  session 13nie9k54q, budget $2.00"), "base's tests have long ended"
    assert "openai/good" in text
    assert "base: 4 passing, 3 failing" in text
    assert "$ cat app.py" in text


def test_silence_is_explained(made: tuple[LiveTable, Clock, Callable[..., None]]) -> None:
    table, clock, observe = made
    observe(1, "work", model="openai/good", text="$ pytest")
    clock.now = 57.0
    assert "waits 57s for the model" in shown(table)
    observe(1, "test")
    assert "waits 57s" not in shown(table)
    table.wait("waits 30 s before it asks again: rate limited")
    assert "rate limited" in shown(table)


def test_a_narrow_terminal_has_room_for_what_a_candidate_does_and_then_for_how_it_ended() -> None:
    table = LiveTable("session 13nie9k54q")
    table.observe(Progress(number=0, phase="work", text="candidates take turns"))
    table.observe(Progress(number=1, phase="work", text="shell python -m pytest -q tests"))
    assert "shell python -m pytest -q tests" in shown(table, 80)
    table.observe(Progress(number=1, phase="done", tests="pass 5/5", text="finished"))
    assert "pass 5/5" in shown(table, 80)
    assert "candidates take turns" in shown(table, 80)


@pytest.mark.parametrize("columns", [60, 80, 110, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    table = LiveTable("session 13nie9k54q")
    for number, model in ((1, "openai/a-model-with-quite-a-long-name"), (2, "deepseek/deepseek-v4-flash")):
        table.observe(Progress(number=number, phase="work", model=model, text="$ python -m pytest -q tests " * 9))
        table.observe(Progress(number=number, phase="test", tests="fail 1/3: suite, origin " * 5, text="x" * 300))
    lines = shown(table, columns).splitlines()
    assert all(len(line) <= columns for line in lines)
    assert any("…" in line for line in lines)


def test_a_wait_for_a_server_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([AttemptFailed(ModelError("`openai` asks for patience (429)"), retry=Retry.LATER), "done"])

    def attempt() -> str:
        answer = next(answers)
        if isinstance(answer, AttemptFailed):
            raise answer
        return answer

    with watching(stream=io.StringIO()):
        assert call_with_retries(attempt, RetryPolicy(first_wait_s=0.01)) == "done"
    assert "before it asks again: `openai` asks for patience (429)" in capsys.readouterr().err
