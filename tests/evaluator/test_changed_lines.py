"""Changed lines that no test runs are named, so that a verdict over them is not settled."""

from gitmimo.evaluator.product import describe_lines
from tests.evaluator.conftest import RIGHT, Judge

BRANCH = RIGHT.replace(
    "    return a + b",
    """    \"\"\"Add two.\"\"\"
    if a is None:
        a = 0
        b = 1
    # a comment
    return a + b""",
)


def test_lines_that_no_test_runs_are_named(judge: Judge) -> None:
    assert judge({"calc/core.py": RIGHT}).uncovered == ()
    evidence = judge({"calc/core.py": BRANCH, "calc/more.py": "def f():\n    return 1\n"})
    assert evidence.passed
    assert evidence.uncovered == ("calc/core.py:4-5", "calc/more.py:1-2")


def test_own_tests_run_them_as_well(judge: Judge) -> None:
    test = "from calc.core import add\n\n\ndef test_none():\n    assert add(None, 3) == 1\n"
    assert judge({"calc/core.py": BRANCH, "tests/test_none.py": test}).uncovered == ()


def test_what_runs_while_the_interpreter_ends_is_no_noise_in_the_output(judge: Judge) -> None:
    late = "import logging\n\nHANDLER = logging.StreamHandler()\n\n\nclass Late:\n    def __del__(self):\n        pass\n\n\nLATE = Late()\n"  # noqa: E501
    evidence = judge({"calc/core.py": f"{late}\n\n{RIGHT}".replace("return a + b", "return a + b + 1")})
    assert not evidence.passed
    output = evidence.output
    assert "failed" in output
    assert "Exception ignored" not in output


def test_lines_are_told_in_runs() -> None:
    assert describe_lines({"b.py": frozenset({3}), "a.py": frozenset({1, 2, 5})}) == ("a.py:1-2", "a.py:5", "b.py:3")
