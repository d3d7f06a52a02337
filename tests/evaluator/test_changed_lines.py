"""Changed lines that no test runs are named, so that a verdict over them is not settled."""

from gitmimo.evaluator.changed_lines import describe_points, outcomes_of_changed
from tests.evaluator.conftest import CALC, RIGHT, Judge

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
    assert evidence.uncovered == ("calc/core.py:4-5", "calc/core.py:3 (`a is None` is never true)", "calc/more.py:1-2")


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


def test_conditions_that_tests_see_one_way_are_named(judge: Judge) -> None:
    product = """    one = a + b if b < 8 else 0
    two = (a + b) * (b < 5)
    three = a + b if a and not (b == 8 or a > 4) else 0
    return max(one, two, three, sum(each for each in (a, b) if each))"""
    evidence = judge({"calc/core.py": CALC.replace("    return a - b", product)})
    assert evidence.passed
    never = ("`b < 8` is never false", "`b < 5` is never false", "`a` is never false", "`b == 8` is never true")
    never = (*never, "`a > 4` is never true", "`each` is never false")
    assert {place.partition(" ")[2] for place in evidence.uncovered} == {f"({text})" for text in never}


def test_conditions_that_were_there_or_are_seen_both_ways_are_not_named(judge: Judge) -> None:
    """A test of the candidate's counts; so does each of several tests."""
    product = CALC.replace("    return a - b", "    assert b < 8\n    return a + b if b < 4 else 0")
    assert judge({"calc/core.py": product}).uncovered == ("calc/core.py:3 (`b < 4` is never false)",)
    test = "from calc.core import add\n\n\ndef test_more():\n    assert add(1, 5) == 0\n"
    assert judge({"calc/core.py": product, "tests/test_more.py": test}).uncovered == ()
    moved = list(outcomes_of_changed(b"if a:\n    b\n", b"def f():\n    if a:\n        c\n", {1, 2, 3}))
    assert moved == []


def test_limits_that_no_test_names_are_named(judge: Judge) -> None:
    """Any other limit between the tests' values would please them as well."""
    product = CALC.replace("    return a - b", "    return [a + b if b < 40 else 0, 9][:7][0]")
    test = "from calc.core import add\n\n\ndef test_more():\n    assert add(1, 100) == 0\n"
    limits = ("calc/core.py:2 (`:7`: no test names 7)", "calc/core.py:2 (`b < 40`: no test names 40)")
    assert judge({"calc/core.py": product, "tests/test_more.py": test}).uncovered == limits
    assert judge({"calc/core.py": product, "tests/test_more.py": test + "    assert add(7, 40) == 0\n"}).uncovered == ()


def test_lines_are_told_in_runs() -> None:
    points = {"b.py": frozenset({"3"}), "a.py": frozenset({"1", "2", "10"})}
    assert describe_points(points, lambda path: b"") == ("a.py:1-2", "a.py:10", "b.py:3")
