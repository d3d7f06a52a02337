"""What is said before the work is accepted: of failing tests, of parts of the task and tests that are missing."""

import pytest

from gitmimo.agent.interface import BaseSuite
from gitmimo.records import StopReason
from tests.agent.workshop import RealWorkspace, call, calls, run
from tests.scripted_model import ScriptedModel

TOTAL = "def total_of(prices):\n"
FAKE_PYTEST = """\
n=$(cat ../runs 2>/dev/null || echo 0); echo $((n + 1)) > ../runs
[ "$n" = 0 ] || [ -n "$STILL" ] || { echo '1 passed'; exit 0; }
echo 'FAILED tests/test_a.py::test_slow - AssertionError: too slow'; exit 1
"""


@pytest.fixture
def project(git) -> RealWorkspace:  # type: ignore[no-untyped-def]
    git.commit(
        {
            "shop.py": f"{TOTAL}    return 0\n\n" + "#\n" * 9 + "def tax_of(price):\n    return 0\n",
            "tests/test_shop.py": "def test_nothing():\n    assert True\n",
            "README.md": "a shop\n",
        }
    )
    return RealWorkspace(git.path, test_command="true")


def test_a_test_that_passes_when_run_again_alone_is_not_held_against_the_change(git) -> None:  # type: ignore[no-untyped-def]
    git.commit({"pytest.sh": FAKE_PYTEST})
    place = RealWorkspace(git.path, test_command="sh pytest.sh")
    model = ScriptedModel([call("write", path="a.py", content="x = 1\n"), call("finish", title="t", summary="s")])
    assert run(place, model, test_command="sh pytest.sh", protocol="text").stop_reason is StopReason.FINISHED
    assert place.commands == ["sh pytest.sh", "sh pytest.sh tests/test_a.py::test_slow"]


def test_failing_tests_are_said_to_fail_on_the_base_too(git) -> None:  # type: ignore[no-untyped-def]
    git.commit({"pytest.sh": "STILL=1\n" + FAKE_PYTEST})
    place = RealWorkspace(git.path, test_command="sh pytest.sh")
    place.suite = BaseSuite(passed=3, failed=("tests/test_a.py::test_slow",))
    script = [call("write", path="a.py", content="x = 1\n"), *[call("finish", title="t", summary="s")] * 2]
    model = ScriptedModel(script)
    assert run(place, model, test_command="sh pytest.sh").stop_reason is StopReason.FINISHED
    assert "These fail on the base too: tests/test_a.py::test_slow." in model.calls[-1][-1].content


WHOLE = (
    ("edit", {"path": "shop.py", "old": f"{TOTAL}    return 0", "new": f"{TOTAL}    return sum(prices)"}),
    ("write", {"path": "tests/test_total.py", "content": "from shop import total_of\n"}),
    ("finish", {"title": "add up prices", "summary": "s"}),
)


def test_what_the_change_leaves_out_is_asked_about_once(project: RealWorkspace) -> None:
    model = ScriptedModel([calls(WHOLE[0], WHOLE[2]), call("finish", title="t", summary="s")])
    project.suite = BaseSuite(passed=1)
    task = "`total_of` returns 0.\n\n- `total_of` must add up\n- `tax_of` is a fifth of the price\n- `test_tax` is one"
    trajectory = run(project, model, task=task, test_command="true")
    told = model.calls[-1][-1].content
    assert "“- `tax_of` is a fifth of the price”" in told
    assert "total_of` must" not in told
    assert "test_tax" not in told
    assert "no test came with it" in told
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
