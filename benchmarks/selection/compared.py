"""Each pool as a repository, and what the product's own code says about the behaviour of its answers."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.selection.pools import Pool
from gitmimo.behaviour import BehaviourReport
from gitmimo.codec import from_json, to_json
from gitmimo.evaluator.baseline import measure_base
from gitmimo.evaluator.behaviour.compare import compare_behaviour
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.git.diff import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.git.trees import write_files
from gitmimo.ids import Oid
from gitmimo.sandbox.base import Limits
from gitmimo.sandbox.probe import open_sandbox

_GIT = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPool:
    """What was found out about a pool: `trees` by answer, in the order of the pool; equal answers have equal trees."""

    trees: tuple[Oid, ...]
    changed_lines: tuple[dict[str, tuple[int, int]], ...]  # added and removed, by path, by answer
    fixed_tests: tuple[str, ...]
    report: BehaviourReport
    test_runs: int
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        told: dict[str, object] = to_json(self)
        return told

    @classmethod
    def from_json(cls, value: dict[str, object]) -> "ComparedPool":
        """From plain values."""
        return from_json(cls, value)


def compare_pool(pool: Pool, scratch: Path, *, sandbox: str = "none") -> ComparedPool:
    """Make a repository of the pool's base, a tree of each answer, and compare their behaviour."""
    started = time.monotonic()
    root = scratch / "repository"
    for path, text in pool.base.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for args in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        subprocess.run(["git", "-C", str(root), *_GIT, *args], check=True, capture_output=True)
    repository = Repository.discover(root)
    base = repository.resolve("HEAD")
    base_tree = repository.tree_of(base)
    tests = TestCommand(
        command=f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {sys.executable} -m pytest -q",
        is_pytest=True,
        report=ReportFormat.PYTEST,
        interpreter=Path(sys.executable),
    )
    testbed = TestBed(
        repository=repository,
        sandbox=open_sandbox(sandbox, environ=os.environ),
        base=base,
        scratch=scratch / "trees",
        tests=tests,
        limits=Limits(timeout_s=120),
    )

    def tree_of(files: dict[str, str]) -> Oid:
        return write_files(repository, base_tree, {path: text.encode() for path, text in files.items()})

    trees = [tree_of(answer.files) for answer in pool.answers]
    failed = [tree_of(files) for files in pool.failed]
    baseline = measure_base(testbed)
    report = compare_behaviour(testbed, baseline, trees, failed=failed, fixed_tests=baseline.failed_ids)
    return ComparedPool(
        trees=tuple(trees),
        changed_lines=tuple(
            {change.path: (change.added, change.removed) for change in diff_facts(repository, base_tree, tree).files}
            for tree in trees
        ),
        fixed_tests=tuple(sorted(baseline.failed_ids)),
        report=report,
        test_runs=3,  # the base's, and the two in which calls are recorded
        seconds=time.monotonic() - started,
    )
