"""What of a product lands, and that nothing passes of which no test says that it is right."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence, Outcome
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from tests.conftest import GitBuilder
from tests.evaluator.conftest import CALC, PROJECT, RIGHT, TESTS, Judge, gate, measured

Files = Mapping[str, str | bytes | None]

GREET_TESTS = "from calc.greet import hello\n\n\ndef test_hello():\n    assert hello('Ann') == 'Hello Ann'\n"

GREEN: Files = {
    **PROJECT,
    "calc/core.py": RIGHT,
    "calc/greet.py": 'def hello(name):\n    return f"Hello {name}"\n',
    "tests/test_greet.py": GREET_TESTS,
    "tests/golden.txt": "Hello Bob\n",
    "tests/test_golden.py": "from pathlib import Path\n\nfrom calc.greet import hello\n\n\ndef test_golden():\n"
    '    assert Path(__file__).with_name("golden.txt").read_text() == hello("Bob") + "\\n"\n',
}
HI = 'def hello(name):\n    return f"Hi {name}"\n'
NEW_TEST = "from calc.core import add\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n"


@pytest.fixture
def green(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Judge:
    """A project whose tests all pass."""
    return measured(git, make_bench(GREEN))


def held(judge: Judge, tree: Oid | None) -> dict[str, bytes]:
    """The files of a tree by path."""
    assert tree is not None
    repository = Repository.discover(judge.git.path)
    return {entry.path: repository.read_object(entry.oid) for entry in repository.list_paths(tree)}


def failed(evidence: Evidence) -> list[str]:
    return [each.name for each in evidence.failed_gates]


def test_new_tests_that_pass_land_with_the_change_and_those_that_fail_stay_out(judge: Judge) -> None:
    wrong = NEW_TEST.replace("== 0", "== 1")
    evidence = judge({"calc/core.py": RIGHT, "tests/test_more.py": NEW_TEST, "tests/test_wrong.py": wrong})
    assert evidence.passed, evidence.failed_gates
    assert evidence.landed_tests == ("tests/test_more.py",)
    landed = held(judge, evidence.result_tree)
    assert landed["tests/test_more.py"] == NEW_TEST.encode()
    assert landed["calc/core.py"] == RIGHT.encode()
    assert "tests/test_wrong.py" not in held(judge, evidence.landed_tree)
    assert (evidence.tests_tree, evidence.restored_paths) == (None, ("tests/test_wrong.py",))
    assert any("not in the result" in flag and "tests/test_wrong.py" in flag for flag in evidence.flags)
    assert "1 of the candidate's own tests fail" in evidence.flags
    assert (evidence.new_tests_passed, evidence.proving_tests) == (1, ()), "0 - 0 is 0 on base too"
    assert gate(evidence, "new tests").outcome is Outcome.PASS


def test_task_for_tests_only_is_done_by_tests(green: Judge) -> None:
    green.task = "Füge einen Test für calc.add mit Null hinzu"
    evidence = green({"tests/test_more.py": NEW_TEST})
    assert evidence.passed, evidence.failed_gates
    assert "tests/test_more.py" in held(green, evidence.landed_tree)
    assert needs_review(evidence.flags) == ()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"tests/test_wrong.py": NEW_TEST.replace("== 0", "== 1")}, "tests that don't pass"),
        ({".github/workflows/ci.yml": "on: push\n"}, "only protected files changed"),
        ({"conftest.py": "x = 1\n", "pytest.ini": "[pytest]\n"}, "only protected files changed"),
    ],
    ids=["failing test", "workflow", "configuration"],
)
def test_product_without_anything_that_may_land_is_refused(green: Judge, files: Files, reason: str) -> None:
    evidence = green(files)
    assert gate(evidence, "product").outcome is Outcome.FAIL
    assert reason in gate(evidence, "product").detail


def test_addition_to_an_existing_test_file_lands_apart(green: Judge) -> None:
    more = f"{TESTS}\n\ndef test_zero():\n    assert add(0, 0) == 0\n"
    evidence = green({"tests/test_core.py": more})
    assert evidence.passed, evidence.failed_gates
    assert evidence.changed_tests == ("tests/test_core.py",)
    assert held(green, evidence.result_tree)["tests/test_core.py"] == TESTS.encode()
    assert held(green, evidence.tests_tree)["tests/test_core.py"] == more.encode()
    assert needs_review(evidence.flags) == ()


@pytest.mark.parametrize("accepts", [False, True], ids=["tests", "accept"])
def test_additions_where_a_command_names_a_test_file(
    git: GitBuilder, make_bench: Callable[..., TestBed], *, accepts: bool
) -> None:
    """Nothing is hidden by them where results come by id; what an accept command runs decides by its exit code."""
    testbed = make_bench()
    command = f"{testbed.tests.command} tests/test_core.py"
    if accepts:
        testbed = replace(testbed, accept=(command,))
    else:
        testbed = replace(testbed, tests=replace(testbed.tests, command=command))
    judge = measured(git, testbed)
    more = f"{TESTS}\n\ndef test_zero():\n    assert add(0, 0) == 0\n"
    evidence = judge({"calc/core.py": RIGHT, "tests/test_core.py": more, "tests/test_more.py": NEW_TEST})
    assert evidence.passed, evidence.failed_gates
    assert bool(needs_review(evidence.flags)) is accepts
    assert evidence.landed_tests == ("tests/test_more.py",)


CHANGES_TESTS: dict[str, tuple[str, Files]] = {
    "test adapted to what is asked": (
        "Begrüße mit Hi",
        {"calc/greet.py": HI, "tests/test_greet.py": GREET_TESTS.replace("Hello", "Hi"),
         "tests/golden.txt": "Hi Bob\n"}),
    "function removed with its test": (
        "elimina double y su prueba",
        {"calc/core.py": RIGHT.partition("\n\n\ndef double")[0] + "\n",
         "tests/test_core.py": TESTS.replace(", double", "").partition("\n\n\ndef test_double")[0] + "\n"}),
    "module removed with its tests": (
        "删除 calc.greet 及其测试",
        {"calc/greet.py": None, "tests/test_greet.py": None, "tests/test_golden.py": None, "tests/golden.txt": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES_TESTS)
def test_changed_tests_are_accepted_for_a_person_to_look_at(green: Judge, name: str) -> None:
    green.task, files = CHANGES_TESTS[name]
    evidence = green(files)
    assert evidence.passed, evidence.failed_gates
    assert any("pass only as it changed them" in flag for flag in needs_review(evidence.flags))
    assert evidence.tests_tree is not None
    landed = held(green, evidence.tests_tree)
    for path, content in files.items():
        assert landed.get(path) == (str(content).encode() if content is not None else None)


def test_broken_test_in_a_file_that_was_left_alone_still_fails(green: Judge) -> None:
    changed = GREET_TESTS.replace("Hello", "Hi")
    evidence = green({"calc/greet.py": HI, "tests/test_greet.py": changed})  # the golden file says Hello
    assert evidence.broken_ids == ("tests/test_golden.py::test_golden", "tests/test_greet.py::test_hello")
    assert failed(evidence) == ["suite"]


def test_comment_is_no_fix_in_any_language(judge: Judge) -> None:
    wanted = set()
    for judge.task in (
        "calc.add must return the sum of its two arguments",
        "add(2, 3) gives -1, not 5",
        "Handle negative numbers in add",
        "add soll die Summe liefern",
        "add debe devolver la suma",
        "加法函数应该返回两数之和",
        "Add a function median to calc/core.py",
    ):
        wanted.add(judge.required())
    assert wanted == {RequiredFixes(test_ids=("tests/test_core.py::test_add",))}
    evidence = judge({"calc/core.py": CALC + "# a comment\n"})
    assert failed(evidence) == ["accept"]
    assert "--ignore-failing" in gate(evidence, "accept").detail


def test_unrelated_failing_test_is_ignored_on_the_persons_word(judge: Judge) -> None:
    assert judge({"README.md": "# calculator\n"}, required=judge.required(ignore_failing=True)).passed


def test_changing_the_failing_test_is_no_fix(judge: Judge) -> None:
    judge.task = "Passe den Test test_core an"
    assert failed(judge({"tests/test_core.py": TESTS.replace("== 5", "== -1")})) == ["accept"]


def test_failed_import_is_told_with_its_error(green: Judge) -> None:
    evidence = green({"calc/core.py": f"import nothing_like_it\n\n{RIGHT}"})
    detail = gate(evidence, "suite").detail
    assert detail.startswith("cannot import `tests/test_core.py`: ModuleNotFoundError: No module named 'nothing_like")


HALF = "from calc.half import half\n\n\ndef test_half():\n    assert half(4) == 2\n"
HALF_CASE = "import unittest\n\nfrom calc.half import half\n\n\nclass Half(unittest.TestCase):\n" + (
    "    def test_half(self):\n        self.assertEqual(half(4), 2)\n"
)


def test_tests_may_come_before_the_module_that_they_import(git: GitBuilder, make_bench: Callable[..., TestBed]) -> None:
    own = {"tests/__init__.py": "", "tests/test_half.py": HALF, "tests/test_half_case.py": HALF_CASE}
    judge = measured(git, make_bench({**GREEN, **own}))
    assert len([name for name in judge.baseline.failed_ids if "test_half" in name]) == 2
    judge.task = "Halbieren"
    assert judge({"calc/half.py": "def half(a):\n    return a / 3\n"}).failed_gates
    evidence = judge({"calc/half.py": "def half(a):\n    return a / 2\n"})
    assert evidence.passed, evidence.failed_gates
    assert len(evidence.fixed_ids) == 2


def test_nothing_passes_where_no_test_does(git: GitBuilder, make_bench: Callable[..., TestBed]) -> None:
    judge = measured(git, make_bench({**PROJECT, "tests/test_core.py": "\n"}))
    judge.task = "say what calc is"
    assert failed(judge({"README.md": "# calc adds\n"})) == ["accept"]
    evidence = judge({"calc/core.py": RIGHT, "tests/test_more.py": NEW_TEST})
    assert evidence.passed
    assert "review: the base has no test that ran: passing says nothing" in evidence.flags
