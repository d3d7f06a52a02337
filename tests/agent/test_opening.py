"""What a model is told before its first step: all of it true of this run, and short."""

from pathlib import Path

import pytest

from gitmimo.agent.interface import BaseSuite, CandidateInput, Feedback, WorkspaceFacts
from gitmimo.agent.prompts import read_prompt
from gitmimo.agent.shell.context import Room, room_for
from gitmimo.agent.shell.opening import approach_for, opening_text
from gitmimo.records import Task
from tests.agent.workshop import RealWorkspace, call, run
from tests.scripted_model import ScriptedModel

ROOM = room_for(128_000, 16_000)
FACTS = WorkspaceFacts(
    system="Linux 6.1 x86_64",
    interpreter="Python 3.11.4 at /venv/bin/python",
    programs=("git", "make", "python"),
    missing=("rg", "uv"),
    commit="commit 04ad2d3aa0b1",
    entries=("docs/ (12)", "src/shop/ (340)", "tests/ (85)", "Makefile", "README.md", "pyproject.toml"),
)


@pytest.fixture
def place(tmp_path: Path) -> RealWorkspace:
    made = RealWorkspace(tmp_path)
    made.known = FACTS
    return made


def opening(place: RealWorkspace, **facts: object) -> str:
    task = Task(text="Fix the total.", test_command="python -m pytest -q")
    return opened(CandidateInput(task=task, **facts), place)  # type: ignore[arg-type]


def opened(candidate: CandidateInput, place: RealWorkspace, room: Room = ROOM) -> str:
    return opening_text(candidate, place.facts(), place.base_suite(), root=place.root, room=room)


def test_the_place_is_described_as_it_was_found(place: RealWorkspace) -> None:
    text = opening(place)
    for part in (
        str(place.root),
        "04ad2d3aa0b1",
        "Python 3.11.4",
        "Network: none",
        "Not there: rg, uv",
        "src/shop/ (340)",
    ):
        assert part in text
    assert "120 s" in text
    assert "30,000 characters" in text
    assert "at most 60 steps" in text


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    text = opened(CandidateInput(task=Task(text="Fix it.")), RealWorkspace(tmp_path))
    for part in ("System:", "Programs:", "# Files", "# Tests", "# Suggested", "# Earlier", "commit"):
        assert part not in text


def test_a_small_window_is_told_its_own_limit_of_output(place: RealWorkspace) -> None:
    text = opened(CandidateInput(task=Task(text="t")), place, room_for(32_768, 4_096))
    assert "10,000 characters" in text


@pytest.mark.parametrize("number", [1, 2])
def test_the_plain_approach_is_not_worth_a_word_and_no_others_are_claimed(place: RealWorkspace, number: int) -> None:
    text = opening(place, number=number, approach=approach_for(number))
    assert ("# Suggested approach" in text) is (number == 2)
    assert "Others" not in text


def test_what_was_said_of_an_earlier_candidate_is_handed_on(place: RealWorkspace) -> None:
    text = opening(place, feedback=(Feedback(text="REJECT: negative seeks are still wrong"),))
    assert "negative seeks are still wrong" in text


def test_the_suite_of_the_base_is_told_when_it_is_known(place: RealWorkspace) -> None:
    place.suite = BaseSuite(passed=488, failed=("tests/test_a.py::test_b",), skipped=2, seconds=6.2)
    text = opening(place)
    assert "488 pass, 1 fail, 2 skipped or expected to fail, in 6 s. Failing: tests/test_a.py::test_b." in text


def test_the_suite_of_the_base_is_told_later_when_it_was_still_measured(place: RealWorkspace) -> None:
    class Measuring(RealWorkspace):
        def base_suite(self) -> BaseSuite | None:
            return BaseSuite(passed=7) if self.commands else None

    model = ScriptedModel([call("shell", command="true"), call("shell", command="ls"), call("give_up", reason="r")])
    run(Measuring(place.root, test_command="x"), model, test_command="x")
    assert "still being measured" in model.calls[0][-1].content or "are being measured" in model.calls[0][-1].content
    assert "From git-mimo: On the base, before any change: 7 pass" in model.calls[1][-1].content
    assert "From git-mimo" not in model.calls[2][-1].content


def test_opening_and_system_text_stay_short(place: RealWorkspace) -> None:
    place.suite = BaseSuite(passed=488, failed=tuple(f"tests/test_{n}.py::test_case" for n in range(40)), seconds=6)
    place.known = WorkspaceFacts(
        **{
            **{f: getattr(FACTS, f) for f in FACTS.__slots__},
            "entries": tuple(f"package_{n}/ (12)" for n in range(200)),
        }
    )
    assert len(opening(place)) / 4 + len(read_prompt("tools")) / 4 < 1_500


def test_feedback_on_a_candidates_own_work_follows_the_step_it_answers(place: RealWorkspace) -> None:
    first = run(place, ScriptedModel([call("write", path="f", content="1\n"), call("finish", title="t", summary="s")]))
    model = ScriptedModel([call("write", path="f", content="2\n"), call("finish", title="t", summary="s")])
    said = Feedback(text="REJECT: it must be 2", after_step=2)
    again = run(place, model, history=first.steps, feedback=(said,))
    assert model.calls[0][-1].content == "REJECT: it must be 2"
    assert [step.number for step in again.steps] == [1, 2, 3, 4]
    assert (place.root / "f").read_text() == "2\n"
