"""What is said before the work is accepted: of failing tests, of parts of the task and tests that are missing."""

import pytest

from gitmimo.agent.interface import BaseSuite
from gitmimo.records import StopReason
from tests.agent.workshop import RealWorkspace, call, calls, run
from tests.scripted_model import ScriptedModel


@pytest.fixture
def project(git) -> RealWorkspace:  # type: ignore[no-untyped-def]
    git.commit(
        {
            "shop.py": "def total_of(prices):\n    return 0\n\n\ndef tax_of(price):\n    return 0\n",
            "tests/test_shop.py": "def test_nothing():\n    assert True\n",
            "README.md": "a shop\n",
        }
    )
    return RealWorkspace(git.path, test_command="true")


def test_failing_tests_are_said_to_fail_on_the_base_too(git) -> None:  # type: ignore[no-untyped-def]
    git.commit({"pytest.sh": "echo 'FAILED tests/test_a.py::test_slow - AssertionError: too slow'; exit 1\n"})
    place = RealWorkspace(git.path, test_command="sh pytest.sh")
    place.suite = BaseSuite(passed=3, failed=("tests/test_a.py::test_slow",))
    script = [call("write", path="a.py", content="x = 1\n"), *[call("finish", title="t", summary="s")] * 2]
    model = ScriptedModel(script)
    assert run(place, model, test_command="sh pytest.sh").stop_reason is StopReason.FINISHED
    assert "These fail on the base too: tests/test_a.py::test_slow." in model.calls[-1][-1].content


WHOLE = (
    ("write", {"path": "shop.py", "content": "def total_of(prices):\n    return sum(prices)\n"}),
    ("write", {"path": "tests/test_total.py", "content": "from shop import total_of\n"}),
    ("finish", {"title": "add up prices", "summary": "s"}),
)


def test_a_test_that_is_missing_is_asked_for_once(project: RealWorkspace) -> None:
    model = ScriptedModel([calls(WHOLE[0], WHOLE[2]), call("finish", title="t", summary="s")])
    project.suite = BaseSuite(passed=1)
    trajectory = run(project, model, test_command="true")
    assert "no test came with it" in model.calls[-1][-1].content
    assert (trajectory.stop_reason, len(trajectory.steps)) == (StopReason.FINISHED, 2)


def test_a_whole_change_with_a_test_is_accepted_at_once(project: RealWorkspace) -> None:
    project.suite = BaseSuite(passed=1)
    trajectory = run(project, ScriptedModel([calls(*WHOLE)]), test_command="true")
    assert (trajectory.stop_reason, trajectory.title) == (StopReason.FINISHED, "add up prices")


@pytest.mark.parametrize("suite", [None, BaseSuite(passed=1, failed=("tests/test_shop.py::test_tax",))])
def test_no_test_is_asked_for_where_one_fails_already_or_that_is_not_known(
    project: RealWorkspace, suite: BaseSuite | None
) -> None:
    project.suite = suite
    reply = calls(("write", {"path": "shop.py", "content": "x = 1\n"}), ("finish", {"title": "t", "summary": "s"}))
    assert len(run(project, ScriptedModel([reply]), test_command="true").steps) == 1


def test_a_change_of_documents_needs_no_test(project: RealWorkspace) -> None:
    project.suite = BaseSuite(passed=1)
    reply = calls(
        ("write", {"path": "README.md", "content": "a good shop\n"}), ("finish", {"title": "t", "summary": "s"})
    )
    assert len(run(project, ScriptedModel([reply]), test_command="true").steps) == 1


def test_a_model_that_speaks_in_text_is_not_asked(project: RealWorkspace) -> None:
    project.suite = BaseSuite(passed=1)
    reply = "FILE: shop.py\n```\nx = 1\n```\nFINISH: rewrite the shop\n\nIt holds x now."
    trajectory = run(project, ScriptedModel([reply], supports_tools=False), test_command="true")
    assert (trajectory.title, trajectory.summary) == ("rewrite the shop", "It holds x now.")
