"""A small real project, its test bench, and products made from it."""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from gitmimo.evaluator.baseline import Baseline, measure_base
from gitmimo.evaluator.evaluate import evaluate
from gitmimo.evaluator.protected import named_configuration
from gitmimo.evaluator.required_fixes import RequiredFixes, find_required_fixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evidence import Evidence, Gate
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.sandbox.base import Limits, Sandbox
from gitmimo.sandbox.probe import open_sandbox
from tests.conftest import GitBuilder

CALC = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n"
RIGHT = CALC.replace("a - b", "a + b")
TESTS = """\
from calc.core import add, double


def test_add():
    assert add(2, 3) == 5


def test_double():
    assert double(4) == 8
"""
PROJECT = {
    "calc/__init__.py": "",
    "calc/core.py": CALC,
    "tests/test_core.py": TESTS,
    "pyproject.toml": '[project]\nname = "calc"\nversion = "1"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n',
    "README.md": "# calc\n",
}
TASK = "Fix the bug in add"


def with_rest(names: Iterable[str], *, quick: Collection[str]) -> list[ParameterSet]:
    """Parameters of which all but the `quick` run with `-m redteam` only."""
    names = list(names)
    assert {*quick} <= {*names}, {*quick} - {*names}
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.redteam]) for name in names]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The real sandbox of this machine, or the plain one where there is none."""
    return open_sandbox("auto")


@dataclass
class Judge:
    """Evaluates products of one repository against one measured base."""

    git: GitBuilder
    testbed: TestBed
    baseline: Baseline
    task: str = TASK

    def tree(self, files: Mapping[str, str | bytes | None]) -> Oid:
        """A product that changes these files."""
        commit = self.git.commit(files)
        self.git("reset", "--quiet", "--hard", self.testbed.base)
        return Oid(commit)

    def required(self, *, ignore_failing: bool = False) -> RequiredFixes:
        """Which failing tests must pass for this task."""
        unrelated = self.baseline.unrelated_ids
        return find_required_fixes(
            self.task, self.baseline.failed_ids, unrelated=unrelated, ignore_failing=ignore_failing
        )

    def __call__(self, files: Mapping[str, str | bytes | None], **options: object) -> Evidence:
        options.setdefault("required", self.required())
        testbed = replace(self.testbed, asked=named_configuration(self.task))
        return evaluate(testbed, self.baseline, self.tree(files), **options)  # type: ignore[arg-type]


@pytest.fixture
def make_bench(git: GitBuilder, tmp_path: Path, sandbox: Sandbox) -> Callable[..., TestBed]:
    """Builds a bench on a project's files; pytest of this interpreter unless `tests` is given."""

    def make(files: Mapping[str, str | bytes | None] = PROJECT, **options: object) -> TestBed:
        base = Oid(git.commit(files))
        tests = TestCommand(
            # this environment's many plugins take a second to load
            command=f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {sys.executable} -m pytest",
            report=ReportFormat.PYTEST,
            is_pytest=True,
            interpreter=Path(sys.executable),
        )
        testbed = TestBed(
            repository=Repository.discover(git.path),
            sandbox=sandbox,
            base=base,
            scratch=tmp_path / "scratch",
            tests=tests,
            limits=Limits(timeout_s=60),
        )
        return replace(testbed, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def judge(git: GitBuilder, make_bench: Callable[..., TestBed]) -> Judge:
    """The small project with its bug, measured."""
    return measured(git, make_bench())


_BASELINES: dict[str, Baseline] = {}


def measured(git: GitBuilder, testbed: TestBed) -> Judge:
    """A judge of a bench; equal bases are measured once for all tests of this process."""
    key = f"{testbed.base} {testbed.tests} {testbed.setup}"
    if key not in _BASELINES:
        _BASELINES[key] = measure_base(testbed)
    return Judge(git=git, testbed=testbed, baseline=_BASELINES[key])


def gate(evidence: Evidence, name: str) -> Gate:
    """One gate by its name."""
    return next(gate for gate in evidence.gates if gate.name == name)
