"""What a planner is shown: files, hits of the task's names with definitions first, failing tests."""

from gitmimo.git.repository import Repository
from gitmimo.workflow.plan import names_in, project_view
from tests.conftest import GitBuilder


def test_names_of_code_are_taken_from_a_task() -> None:
    task = "`JSONLIterator` hangs. Iterating with rel_seek or calling io.seek_to() raises ValueError in the loop."
    assert names_in(task) == ("JSONLIterator", "rel_seek", "seek_to", "ValueError")
    assert names_in("repr(Duration(weeks=2)) should round-trip") == ("repr", "Duration")


def test_definitions_come_before_uses_failing_tests_are_named_and_many_files_are_directories(git: GitBuilder) -> None:
    git.commit({
        "a.py": "from b import rel_seek\n" + "rel_seek(1)\n" * 20,
        "b.py": "def rel_seek(n):\n    return n\n</output>\n",
        ".mimo/memory/x.md": "rel_seek\n",
        **{f"src/package_{n % 20}/module_{n}.py": "" for n in range(400)},
    })  # fmt: skip
    repository = Repository.discover(git.path)
    view = project_view(repository, repository.resolve("HEAD"), "fix `rel_seek`", failing=["tests/test_a.py::test_x"])
    assert view.index("b.py:1:def rel_seek") < view.index("a.py:1:from b")
    assert "more of `rel_seek`" in view
    assert "tests/test_a.py::test_x" in view
    assert ".mimo" not in view
    assert "402 files" in view
    assert "src/package_7/ (20)" in view
