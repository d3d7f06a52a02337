"""What a line of a conversation means."""

import pytest

from gitmimo.cli.chat import command_words, is_question


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/usr/bin is full", None),
        ("fix the parser", None),
        ("/", ["help"]),
        ("/q", ["quit"]),
        ('/start -n 5 "fix it"', ["start", "-n", "5", "fix it"]),
        ("git mimo merge 13nie9k54q", ["merge", "13nie9k54q"]),
        ("/memory add don't touch", ["memory", "add", "don't", "touch"]),
    ],
)
def test_a_line_that_names_a_command_is_one(line: str, words: list[str] | None) -> None:
    assert command_words(line) == words


@pytest.mark.parametrize("line", ["where is add?", "wo ist add ?  ", "add在哪里？", "why did it `fail?"])
def test_a_question_mark_makes_a_question_in_any_language(line: str) -> None:
    assert is_question(line)


def test_everything_else_is_a_task() -> None:
    assert not is_question("what is wrong in add? fix it")
