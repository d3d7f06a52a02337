"""The benchmark of real bugs: how a task is made from two releases. Nothing is fetched here."""

import json
from pathlib import Path

import pytest

from benchmarks.real.__main__ import table
from benchmarks.real.judge import check, judge
from benchmarks.real.mine import find_tasks
from benchmarks.real.releases import Releases
from benchmarks.real.rows import Ended
from benchmarks.real.tasks import RealBug, load_tasks, set_up, with_function, with_tests

OLD = "import os\n\n\ndef half(n):\n    return n // 2 + 1\n\n\ndef double(n):\n    return n * 2\n"
NEW = OLD.replace("n // 2 + 1", "n // 2").replace("n * 2", "n + n")
OLD_TESTS = "from lib import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
NEW_TESTS = (
    "from lib import double, half\n\n\ndef test_double():\n    assert double(2) == 4\n\n\n"
    "def test_half():\n    assert half(4) == 2\n\n\ndef test_odd():\n    assert half(5) == 2\n"
)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Two releases of a project, as if they had been fetched."""
    for version, code, tests in (("1.0", OLD, OLD_TESTS), ("1.1", NEW, NEW_TESTS)):
        root = tmp_path / "unpacked" / f"lib-{version}"
        (root / "tests").mkdir(parents=True)
        (root / "lib.py").write_text(code)
        (root / "tests" / "test_lib.py").write_text(tests)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = Path(__import__("sys").executable)
    (tmp_path / "venv" / "bin" / "python").write_text(
        f'#!/bin/sh\nPYTEST_DISABLE_PLUGIN_AUTOLOAD=1 exec {python} "$@"\n'
    )
    (tmp_path / "venv" / "bin" / "python").chmod(0o755)
    return Releases(tmp_path)


def test_a_task_is_found_set_up_and_judged(releases: Releases, tmp_path: Path) -> None:
    (task,) = find_tasks(releases, "lib", "1.0", "1.1")
    assert (task.path, task.function) == ("lib.py", "half")
    assert task.tests == ("tests/test_lib.py::test_half", "tests/test_lib.py::test_odd")
    assert check(task, releases) == ""
    tree = set_up(task, releases, tmp_path / "tree")
    assert "def test_half" in (tree / "tests/test_lib.py").read_text()
    assert not judge(task, releases, tree).visible
    (tree / "lib.py").write_text(OLD.replace("n // 2 + 1", "n // 2").replace("n * 2", "n * 3"))
    judged = judge(task, releases, tree)
    assert judged.visible
    assert judged.broken == ("tests/test_lib.py::test_double",)


def test_a_function_is_replaced_by_the_newer_one() -> None:
    old = "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n"
    new = "class A:\n    @property\n    def f(self):\n        return 3\n"
    assert with_function(old, new, "A.f") == old.replace("def f", "@property\n    def f").replace("1", "3")
    with pytest.raises(ValueError, match="no A.h here"):
        with_function(old, new, "A.h")


def test_fixing_tests_go_into_the_old_file() -> None:
    old = "import a\n\n\nclass TestA:\n    def test_one(self):\n        pass\n"
    new = (
        "import a\nimport b\n\n\nclass TestA:\n    def test_one(self):\n        assert 1\n\n    def test_two(self):\n"
        "        assert 2\n\n\nclass TestB:\n    def test_three(self):\n        assert 3\n"
    )
    text = with_tests(old, new, [["TestA", "test_one"], ["TestA", "test_two"], ["TestB", "test_three"]])
    scope: dict[str, object] = {}
    exec(text.replace("import a\n", ""), scope)  # `b` is not there, which an old release may not have either
    assert vars(scope["TestA"]).keys() >= {"test_one", "test_two"}
    assert "assert 1" in text
    assert "TestB" in scope


def test_tasks_hold_nothing_of_the_projects() -> None:
    tasks = load_tasks()
    assert len({task.name for task in tasks}) == len(tasks) > 0
    for task in tasks:
        assert RealBug(**{name: getattr(task, name) for name in RealBug.__slots__}) == task
        assert len(json.dumps(task.tests)) < 4000


def test_the_table_counts_right_ones_apart() -> None:
    done = [
        Ended(row="mimo", task="a", ending="passed", right=True, seconds=3),
        Ended(row="mimo", task="b", ending="unsettled", right=False, seconds=4),
        Ended(row="plain", task="a", ending="skipped"),
    ]
    assert "| mimo | 2 | 1 | 1 | 1 | 0 | 7 |" in table(done)
