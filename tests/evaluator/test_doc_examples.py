"""Examples in documentation are tests, also where the project's command doesn't run them."""

from collections.abc import Callable

import pytest

from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Outcome
from tests.conftest import GitBuilder
from tests.evaluator.conftest import PROJECT, Judge, gate, measured

WORDS = '''\
"""Words.

>>> plural("tree")
'trees'
"""


def plural(word):
    """Name several of them.

    >>> plural("house")
    'houses'
    >>> plural("sheep")
    'sheep'
    """
    return word + "s"


def singular(word):
    """Name one of them.

    >>> singular("houses")
    'house'
    """
    return word[:-1]
'''
USES = '''\
from calc.words import singular


def one(words):
    """The first of them, alone.

    >>> one(["cats", "dogs"])
    'cat'
    """
    return singular(words[0])
'''
TESTS = "from calc.words import plural\n\n\ndef test_sheep():\n    assert plural('sheep') == 'sheep'\n"
SHEEP = 'return word if word == "sheep" else word + "s"'
FILES = {
    "calc/__init__.py": "",
    "calc/words.py": WORDS,
    "calc/uses.py": USES,
    "tests/test_words.py": TESTS,
    "pyproject.toml": PROJECT["pyproject.toml"],
}


@pytest.fixture
def words(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Judge:
    return measured(git, make_bench(FILES))


def fixed(*changes: tuple[str, str]) -> dict[str, str | bytes | None]:
    text = WORDS.replace('return word + "s"', SHEEP)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return {"calc/words.py": text}


def test_right_fix_keeps_all_examples_and_the_wrong_one_of_base_does_not_count(words: Judge) -> None:
    evidence = words(fixed())
    assert evidence.passed, evidence.failed_gates
    assert needs_review(evidence.flags) == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("return word[:-1]", "return word[:]", "calc/words.py::singular"),
        ('word == "sheep"', 'word[0] in "sheep"', "calc/words.py::plural"),
    ],
    ids=["another function", "a file that imports it"],
)
def test_example_that_no_longer_holds_refuses_the_product(words: Judge, old: str, new: str, named: str) -> None:
    evidence = words(fixed((old, new)))
    assert [each.name for each in evidence.failed_gates] == ["examples"]
    detail = gate(evidence, "examples").detail
    assert named in detail or "calc/words.py::module" in detail


def test_examples_of_a_file_that_imports_the_changed_one_count(words: Judge) -> None:
    evidence = words(fixed(('\'house\'\n    """\n    return word[:-1]', '\'houses\'\n    """\n    return word')))
    assert gate(evidence, "examples").outcome is Outcome.FAIL
    assert "calc/uses.py::one" in gate(evidence, "examples").detail


def test_example_that_was_rewritten_is_for_a_person(words: Judge) -> None:
    evidence = words(
        {
            **fixed(('\'house\'\n    """\n    return word[:-1]', '\'Houses\'\n    """\n    return word.title()')),
            "calc/uses.py": USES.replace("'cat'", "'Cats'"),
        }
    )
    assert evidence.passed, evidence.failed_gates
    assert any("calc/words.py::singular" in flag for flag in needs_review(evidence.flags))
