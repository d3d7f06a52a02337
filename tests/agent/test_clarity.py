"""Unclear tasks are questioned, clear ones are left alone."""

import pytest

from gitmimo.agent.clarity import check_clarity, propose_accept, with_answers

PATHS = ("src/shop/basket.py", "src/shop/prices.py", "tests/test_basket.py", "README.md")


@pytest.mark.parametrize(
    "task",
    [
        "Fix the failing tests",
        "make all tests pass",
        "total() returns 0 for a basket with one item; it should return the item's price",
        "Refactor the authentication middleware to support JWT and OAuth2",
        "Rename `Basket.add` to `Basket.put` everywhere",
        "The basket must refuse negative amounts",
        'Users see "KeyError: price" when the list is empty',
        "Add a --json flag to the list command",
        "Improve prices.py so that 10,000 prices load in less than 50 ms",
        "Upgrade the project to Python 3.12",
        "配置文件不存在时程序崩溃",
        "Die Summe stimmt bei leeren Körben nicht",
    ],
)
def test_a_clear_task_is_not_questioned(task: str) -> None:
    assert check_clarity(task, paths=PATHS, has_tests=True).is_clear


@pytest.mark.parametrize(
    ("task", "questions"),
    [
        ("make it better", 2),
        ("fix the bugs", 2),
        ("improve performance", 2),
        ("Clean up the basket", 1),
        ("it is broken", 2),
        ("Add caching or something to the basket, maybe", 1),
        ("Make it faster, cleaner etc., perhaps with either a cache or a pool", 3),
    ],
)
def test_an_unclear_task_is_questioned_three_times_at_most(task: str, questions: int) -> None:
    clarity = check_clarity(task, paths=PATHS, has_tests=True)
    assert len(clarity.questions) == len(clarity.assumptions) == questions


def test_an_accept_command_says_when_it_is_done() -> None:
    assert check_clarity("Clean up the basket", paths=PATHS, accept_commands=["make lint"]).is_clear


def test_answers_and_assumptions_join_the_task() -> None:
    clarity = check_clarity("make it better", paths=PATHS)
    text = with_answers("make it better\n", clarity, ["the basket", ""])
    assert text.startswith("make it better\n\nWhat was open:\n- Which part")
    assert text.split("\n")[3].endswith("the basket")
    assert "- Assumed: it is done when" in text
    assert with_answers("clear", check_clarity("Fix the failing tests", has_tests=True), []) == "clear"


def test_commands_that_must_succeed_are_proposed() -> None:
    assert propose_accept("Port it; `python -m mypy src` must exit 0 and `rm -rf /` too") == ("python -m mypy src",)
    assert propose_accept("Then this works:\n\n  $ make demo\n") == ("make demo",)
    assert propose_accept("`python x.py` crashes") == ()
