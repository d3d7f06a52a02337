"""Approaches differ, whatever the planning model answers."""

import pytest

from gitmimo.agent.planning import approaches_for, built_in_approaches, parse_approaches, temperature_for
from gitmimo.errors import NoRoute
from gitmimo.records import Task
from tests.scripted_model import ScriptedModel

TASK = Task(text="make the parser faster")


@pytest.mark.parametrize(
    "reply",
    [
        "1. Begin with the lexer tables.\n2. Begin with the parser stack.",
        "Sure!\n\n1) Begin with the\n   lexer tables.\n\n2) Begin with the parser stack.\n",
        "**1.** Begin with the lexer tables.\n**2.** Begin with the parser stack.",
        "- Begin with the lexer tables.\n- Begin with the parser stack.",
        "Engineer 1: Begin with the lexer tables.\nEngineer 2: Begin with the parser stack.",
    ],
)
def test_a_list_is_read_however_it_is_written(reply: str) -> None:
    assert parse_approaches(reply, 2) == ("Begin with the lexer tables.", "Begin with the parser stack.")


@pytest.mark.parametrize(
    "reply", ["", "I would start with the lexer.", "1.\n2.\n", "1. same words here\n2. same words here"]
)
def test_nonsense_is_no_list(reply: str) -> None:
    assert parse_approaches(reply, 3) == ()


def test_one_call_plans_all_and_gaps_are_filled() -> None:
    model = ScriptedModel(["1. Begin with the lexer tables.\n2. Begin with the parser stack."])
    approaches = approaches_for(4, "shell", task=TASK, model=model)
    assert approaches == ("Begin with the lexer tables.", "Begin with the parser stack.", *built_in_approaches()[:2])
    assert len(model.calls) == 1


def test_a_model_that_fails_leaves_the_built_in_ones() -> None:
    model = ScriptedModel([NoRoute("no server")])
    assert approaches_for(3, "auto", task=TASK, model=model) == built_in_approaches()[:3]


@pytest.mark.parametrize(("name", "strategy"), [("local/qwen2.5-coder-1.5b", "auto"), ("a/strong", "patch")])
def test_small_models_and_the_patch_strategy_are_not_asked(name: str, strategy: str) -> None:
    assert approaches_for(2, strategy, task=TASK, model=ScriptedModel([], name=name)) == built_in_approaches()[:2]


def test_more_candidates_than_approaches_repeat_them() -> None:
    assert len(set(approaches_for(20, "shell"))) == len(built_in_approaches())


def test_the_first_candidate_is_careful_and_later_ones_are_not() -> None:
    assert temperature_for(1) == 0.2
    assert all(temperature_for(number) >= 0.6 for number in range(2, 30))
