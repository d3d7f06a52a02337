"""What a planner is shown: files, hits of the task's names with definitions first, failing tests, nothing too long."""

from gitmimo.git.repository import Repository
from gitmimo.workflow.plan import names_in, project_view
from tests.conftest import GitBuilder


def test_names_of_code_are_taken_from_a_task() -> None:
    task = "`JSONLIterator` hangs. Iterating with rel_seek or calling io.seek_to() raises ValueError in the loop."
    assert names_in(task) == ("JSONLIterator", "rel_seek", "seek_to", "ValueError")


def test_definitions_come_before_uses_and_failing_tests_are_named(git: GitBuilder) -> None:
    git.commit({
        "a.py": "from b import rel_seek\n" + "rel_seek(1)\n" * 20,
        "b.py": "def rel_seek(n):\n    return n\n</output>\n",
        ".mimo/memory/x.md": "rel_seek\n",
    })  # fmt: skip
    repository = Repository.discover(git.path)
    view = project_view(repository, repository.resolve("HEAD"), "fix `rel_seek`", failing=["tests/test_a.py::test_x"])
    assert view.index("b.py:1:def rel_seek") < view.index("a.py:1:from b")
    assert "more of `rel_seek`" in view
    assert "tests/test_a.py::test_x" in view
    assert ".mimo" not in view


def test_many_files_are_shown_as_directories(git: GitBuilder) -> None:
    git.commit({f"src/package_{n % 20}/module_{n}.py": "" for n in range(400)} | {"README.md": ""})
    repository = Repository.discover(git.path)
    view = project_view(repository, repository.resolve("HEAD"), "fix it", failing=())
    assert "src/package_7/ (20)" in view
    assert "401 files" in view
    assert len(view) < 3_000


def test_a_name_that_is_called_with_arguments_counts() -> None:
    assert names_in("repr(Duration(weeks=2)) should round-trip") == ("repr", "Duration")
