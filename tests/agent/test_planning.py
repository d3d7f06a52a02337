"""Approaches differ, whatever the planning model answers."""

import pytest

from gitmimo.agent.shell.opening import ask_for_approaches, parse_approaches
from gitmimo.errors import NoRoute
from gitmimo.records import Task
from tests.scripted_model import ScriptedModel

TASK = Task(text="make the parser faster")


@pytest.mark.parametrize(
    "reply",
    [
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


def test_the_planner_sees_the_project_and_a_model_that_fails_plans_nothing() -> None:
    model = ScriptedModel(["1. Begin with the lexer tables.\n2. Begin with the parser stack."])
    assert len(ask_for_approaches(4, TASK, model, "12 files")) == 2
    assert "12 files" in model.calls[0][-1].content
    assert ask_for_approaches(3, TASK, ScriptedModel([NoRoute("no server")]), "12 files") == ()
