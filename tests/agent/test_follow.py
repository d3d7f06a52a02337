"""A chore done as the last one of its kind, on a real repository, with scripted replies."""

import json
from collections.abc import Sequence

import pytest

from gitmimo.agent.interface import CandidateInput
from gitmimo.agent.patch.follow import read_past_change, read_past_changes
from gitmimo.agent.runner import run_candidate
from gitmimo.records import Message, StopReason, Task, Trajectory
from tests.agent.workshop import RealWorkspace
from tests.conftest import GitBuilder
from tests.scripted_model import ScriptedModel

INIT = 'NAMES = [\n    "daily",\n]\n'
DOCS = "# Reports\n\n- daily\n"


@pytest.fixture
def past(git: GitBuilder) -> str:
    """The commit that added the report `churn`."""
    git.commit({"reports/__init__.py": INIT, "docs/reports.md": DOCS, "index.json": '["daily"]\n', "old.txt": "x\n"})
    return git.commit(
        {
            "reports/churn.py": "def report(rows):\n    return 'churn', rows\n",
            "reports/__init__.py": INIT.replace("]", '    "churn",\n]'),
            "docs/reports.md": DOCS + "- churn\n",
            "index.json": '["churn", "daily"]\n',
            "tests/test_churn.py": "def test_churn():\n    pass\n",
            ".mimo/MEMORY.md": "# Memory\n",
            "old.txt": None,
        },
        "churn among the reports",
    )


def work(
    git: GitBuilder, past: str, replies: Sequence[str], *, text: str = "Add a report called taxes", tests: str = ""
) -> Trajectory:
    model = ScriptedModel(replies, name="local/small")
    candidate = CandidateInput(task=Task(text=text), follows=(past,) if past else ())
    trajectory = run_candidate(
        candidate, RealWorkspace(git.path, test_command=tests), model, on_step=lambda step: None, stop=lambda: None
    )
    asked.extend(model.calls)
    return trajectory


asked: list[tuple[Message, ...]] = []


def test_what_is_followed_leaves_out_tests_memory_and_removed_files(git: GitBuilder, past: str) -> None:
    change = read_past_change(RealWorkspace(git.path), past)
    assert change is not None
    assert change.subject == "churn among the reports"
    files = {each.path: each for each in change.files}
    assert set(files) == {"reports/churn.py", "reports/__init__.py", "docs/reports.md", "index.json"}
    assert files["reports/churn.py"].after == "def report(rows):\n    return 'churn', rows\n"
    assert files["reports/churn.py"].before is None
    assert (files["docs/reports.md"].before, files["docs/reports.md"].after) == (DOCS, DOCS + "- churn\n")


def test_an_unknown_commit_is_not_followed(git: GitBuilder, past: str) -> None:
    workspace = RealWorkspace(git.path)
    assert read_past_change(workspace, "0123456789") is None
    assert read_past_changes(workspace, ("0123456789", past)) == ()
    assert len(read_past_changes(workspace, (past, "0123456789"))) == 1


def test_each_file_is_asked_for_with_what_was_done_to_it_and_written(git: GitBuilder, past: str) -> None:
    asked.clear()
    docs, init = DOCS + "- churn\n- taxes\n", 'NAMES = [\n    "daily",\n    "churn",\n    "taxes",\n]\n'
    index = json.dumps(["churn", "daily", "taxes"]) + "\n"
    found = work(git, past, ["taxes.py", "def report(rows):\n    return 'taxes', rows\n", docs, index, init])
    assert found.stop_reason is StopReason.FINISHED
    assert found.remarks == ()
    assert (git.path / "docs/reports.md").read_text() == docs
    assert (git.path / "index.json").read_text() == index
    assert (git.path / "reports/__init__.py").read_text() == init
    assert (git.path / "reports/taxes.py").read_text() == "def report(rows):\n    return 'taxes', rows\n"
    assert asked[0][0].content.startswith("Task: churn among the reports\nNew file: reports/churn.py\n\n")
    assert asked[0][-1].content == "New file: reports/"
    assert f"At first:\n```\n{DOCS}```\n\nAfter the task `churn among the reports`:\n```\n" in asked[2][0].content
    assert "`Add a report called taxes`; its new file is reports/taxes.py. Write docs/" in asked[2][0].content
    assert asked[2][-1].content == "After the task `Add a report called taxes`:\n```\n"  # the model goes on with it


def test_what_could_not_be_done_in_the_same_way_is_said(git: GitBuilder, past: str) -> None:
    git("rm", "-q", "docs/reports.md")
    same = (git.path / "index.json").read_text()
    found = work(git, past, ["churn.py", same, "I do not know"])
    assert found.stop_reason is StopReason.FINISHED
    assert [remark.partition(": ")[2] for remark in found.remarks] == [
        "reports/churn.py: reports/churn.py is there already",
        "docs/reports.md: docs/reports.md is not there any more",
        "index.json: the file is the same as before",
        "reports/__init__.py: the code for `reports/__init__.py` is not valid",
    ]


def test_an_interrupted_chore_goes_on_with_the_file_that_was_next(git: GitBuilder, past: str) -> None:
    new = ["taxes.py", "def report(rows):\n    return 'taxes', rows\n"]
    docs, init = DOCS + "- churn\n- taxes\n", 'NAMES = [\n    "daily",\n    "churn",\n    "taxes",\n]\n'
    index = '["churn", "daily", "taxes"]\n'
    tests = "test ! -e reports/taxes.py || grep taxes index.json"
    first = work(git, past, new, tests=tests)  # the model is gone after the first file
    assert len(first.steps) == 1
    asked.clear()
    model = ScriptedModel([docs, index, init], name="local/small")
    candidate = CandidateInput(task=Task(text="Add taxes"), follows=(past,), history=first.steps)
    workspace = RealWorkspace(git.path, test_command=tests)
    found = run_candidate(candidate, workspace, model, on_step=lambda step: None, stop=lambda: None)
    assert found.summary == "done as in `churn among the reports`; the tests pass"
    assert "its new file is reports/taxes.py" in model.calls[0][0].content
    assert workspace.commands.count(tests) == 2  # before the first question, and after the last


def test_a_sorted_list_of_json_stays_sorted(git: GitBuilder, past: str) -> None:
    new = ["taxes.py", "def report(rows):\n    return 'taxes', rows\n"]
    docs, init = DOCS + "- churn\n- taxes\n", 'NAMES = [\n    "daily",\n    "churn",\n    "taxes",\n]\n'
    work(git, past, [*new, docs, '["churn", "taxes", "daily"]\n', init])
    assert (git.path / "index.json").read_text() == '["churn", "daily", "taxes"]\n'


def test_a_task_that_points_at_no_file_lets_a_small_model_look_for_itself(git: GitBuilder, past: str) -> None:
    replies = ["```bash\necho '- taxes' >> docs/reports.md\n```", "FINISH: listed it"]
    found = work(git, "", replies, text="Our accountants want taxes")
    assert found.stop_reason is StopReason.FINISHED
    assert (git.path / "docs/reports.md").read_text().endswith("- taxes\n")
