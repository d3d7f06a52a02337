"""Kinds of projects in a fresh clone: their tests are found and run, with nothing configured.

`python -m benchmarks.projects` makes the same shapes with their own tools and solves a task in each.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gitmimo.errors import CheckError
from gitmimo.evaluator.baseline import Baseline, measure_base
from gitmimo.evaluator.detect import detect_test_command, linked_modules
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import TestCommand, bring_ignored_files
from tests.conftest import GitBuilder

Files = Mapping[str, str | bytes | None]
HALF = "def half(number):\n    return number * 2\n"
TEST_HALF = "from {package} import half\n\n\ndef test_half():\n    assert half(10) == 5\n\n\ndef test_zero():\n    assert half(0) == 0\n"  # noqa: E501


@pytest.fixture
def measure(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Callable[..., tuple[TestCommand, Baseline]]:
    """Commit files, find the test command in that checkout, and run the base."""

    def run(files: Files, *, directory: str = "") -> tuple[TestCommand, Baseline]:
        git.commit(files)
        tests = detect(files, checkout=git.path, directory=directory)
        testbed = make_bench(files, tests=tests, checkout=git.path)
        return tests, measure_base(testbed)

    return run


def detect(files: Files, *, checkout: Path | None = None, directory: str = "") -> TestCommand:
    def read(name: str) -> bytes | None:
        content = files.get(name)
        return content.encode() if isinstance(content, str) else content

    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return detect_test_command(list(files), read, checkout=checkout, environ=environ, directory=directory)


Measure = Callable[..., tuple[TestCommand, Baseline]]


def test_src_layout_is_imported_without_an_installation(measure: Measure) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "acme"\nversion = "1"\n',
        "src/acme/__init__.py": HALF,
        "tests/test_half.py": TEST_HALF.format(package="acme"),
    }
    _, base = measure(files)
    assert base.failed_ids == {"tests/test_half.py::test_half"}
    assert base.passed_ids == {"tests/test_half.py::test_zero"}


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ('[tool.hatch.build.hooks.vcs]\nversion-file = "src/acme/_version.py"\n', "src/acme/_version.py"),
        ('[tool.setuptools_scm]\nversion_file = "src/acme/_version.py"\n', "src/acme/_version.py"),
        ('[tool.pdm.version]\nwrite_to = "acme/_version.py"\n', "src/acme/_version.py"),
    ],
)
def test_version_file_that_a_build_would_write_is_there(measure: Measure, settings: str, path: str) -> None:
    files = {
        "pyproject.toml": f'[project]\nname = "acme"\ndynamic = ["version"]\n\n{settings}',
        ".gitignore": "_version.py\n",
        "src/acme/__init__.py": f"from acme._version import version\n\n\n{HALF}",
        "tests/test_half.py": TEST_HALF.format(package="acme"),
    }
    tests, base = measure(files)
    assert [name for name, _ in tests.generated] == [path]
    assert base.passed_ids == {"tests/test_half.py::test_zero"}


def test_generated_module_of_the_checkout_is_copied(measure: Measure, git: GitBuilder) -> None:
    (git.path / "acme").mkdir()
    (git.path / "acme" / "_tables.py").write_text("FACTOR = 2\n")
    files = {
        ".gitignore": "_tables.py\n",
        "acme/__init__.py": "from acme._tables import FACTOR\n\n\ndef half(number):\n    return number * FACTOR\n",
        "tests/test_half.py": TEST_HALF.format(package="acme"),
    }
    tests, base = measure(files)
    assert tests.copies == ("acme/_tables.py",)
    assert base.passed_ids == {"tests/test_half.py::test_zero"}


@pytest.mark.parametrize("style", ["pytest", "unittest"])
def test_environment_of_the_project_wins_without_pytest(measure: Measure, git: GitBuilder, style: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(git.path / ".venv")], check=True)
    site = next((git.path / ".venv" / "lib").glob("python*/site-packages"))
    (site / "onlyhere.py").write_text("FACTOR = 2\n")
    case = (
        "import unittest\nfrom acme import half\n\n\nclass HalfTest(unittest.TestCase):\n"
        "    def test_half(self):\n        self.assertEqual(half(10), 5)\n\n"
        "    def test_zero(self):\n        self.assertEqual(half(0), 0)\n"
    )
    files = {
        ".gitignore": ".venv\n",
        "acme/__init__.py": "from onlyhere import FACTOR\n\n\ndef half(number):\n    return number * FACTOR\n",
        "tests/__init__.py": "",
        "tests/test_half.py": case if style == "unittest" else TEST_HALF.format(package="acme"),
    }
    tests, base = measure(files)
    assert tests.interpreter == git.path / ".venv" / "bin" / "python"
    assert tests.is_pytest
    assert tests.programs == git.path / ".venv" / "bin"
    assert (len(base.passed_ids), len(base.failed_ids)) == (1, 1)


MONOREPO = {
    "README.md": "# shop\n",
    "services/api/pyproject.toml": '[project]\nname = "api"\nversion = "1"\n',
    "services/api/src/api/__init__.py": HALF,
    "services/api/tests/test_half.py": TEST_HALF.format(package="api"),
    "web/package.json": '{"name": "web", "scripts": {"test": "node --test"}}\n',
    "web/a.test.js": 'require("node:test")("web", () => {});\n',
}


def test_start_in_a_sub_project_tests_that_one_and_names_the_rest(measure: Measure) -> None:
    tests, base = measure(MONOREPO, directory="services/api/src")
    assert tests.directory == "services/api"
    assert tests.reason.endswith("in `services/api`; not run: the tests of `web`")
    assert base.failed_ids == {"services/api/tests/test_half.py::test_half"}


def test_several_projects_and_none_at_the_top_are_named() -> None:
    with pytest.raises(CheckError, match="`services/api`, `web`") as caught:
        detect(MONOREPO)
    assert "cd services/api" in caught.value.hint


def test_the_only_project_below_the_top_is_taken() -> None:
    files = {name: text for name, text in MONOREPO.items() if not name.startswith("web/")}
    assert detect(files).directory == "services/api"


def test_workspace_modules_lead_to_the_tree_and_not_to_the_checkout(tmp_path: Path) -> None:
    checkout, tree = tmp_path / "checkout", tmp_path / "tree"
    for top in (checkout, tree):
        for package in ("packages/half", "packages/app"):
            (top / package).mkdir(parents=True)
    installed = checkout / "node_modules" / "left"
    installed.mkdir(parents=True)
    modules = checkout / "packages/app/node_modules"
    (modules / "@acme").mkdir(parents=True)
    (modules / "@acme" / "half").symlink_to("../../../half")
    (modules / "left").symlink_to("../../../node_modules/left")
    links = linked_modules(checkout)
    assert links == ("node_modules", "packages/app/node_modules")
    command = TestCommand(command="npm test", report=detect(MONOREPO, directory="web").report)
    bring_ignored_files(checkout, tree, TestCommand(**{**_fields(command), "links": links}))
    assert (tree / "packages/app/node_modules/@acme/half").resolve() == (tree / "packages/half").resolve()
    assert (tree / "packages/app/node_modules/left").resolve() == installed.resolve()


def _fields(command: TestCommand) -> dict[str, object]:
    return {name: getattr(command, name) for name in ("command", "report")}


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"package.json": '{"devDependencies": {"vitest": "3"}}', "src/a.test.ts": ""}, "npx vitest run"),
        ({"package.json": '{"devDependencies": {"jest": "30"}}', "test/a.js": ""}, "npx jest"),
        ({"package.json": '{"scripts": {"test": "jest"}}', "pnpm-lock.yaml": ""}, "pnpm test"),
        ({"test/all.bats": ""}, "bats --recursive test"),
        ({"tests/run.sh": ""}, "sh tests/run.sh"),
        ({"spec/a_spec.rb": ""}, "bundle exec rspec"),
        ({"go.work": "", "a/go.mod": ""}, "go test ./..."),
    ],
)
def test_runner_is_found(files: Files, shown: str) -> None:
    assert detect(files).shown == shown
