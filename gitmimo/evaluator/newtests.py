"""The candidate's own tests: evidence about the product, never a veto."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.bench import Bench, SuiteRun, fresh_tree, layout_of, run_suite
from gitmimo.evaluator.command import TestCommand, TestKind
from gitmimo.evidence import TestOutcome
from gitmimo.git.tree import put_files
from gitmimo.records import Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTests:
    """What tests that the base doesn't have say about the product and about the base."""

    passed: int = 0
    failed: int = 0
    failing_on_base: int = 0
    flags: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        """One line for people."""
        return (
            f"{self.passed} of {self.passed + self.failed} new tests pass, {self.failing_on_base} of them fail on base"
        )


def judge_new_tests(
    bench: Bench,
    baseline: Baseline,
    product: Oid,
    test_paths: tuple[str, ...],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> NewTests:
    """Run the product with its own tests, then the base with them; count the tests that the base doesn't know."""
    command = _only(baseline.tests, test_paths)
    on_product = _run(bench, product, command, cancelled)
    if not on_product.report.has_report:
        return NewTests(flags=("the candidate's own tests could not be run",))
    new = {name for name in on_product.report.cases if name not in baseline.report.cases}
    passed = {name for name in new if on_product.report.cases[name] is TestOutcome.PASSED}
    failed = {name for name in new if name in on_product.report.failed_ids}
    failing_on_base: set[str] = set()
    if passed:
        contents = {path: bench.repository.read_blob(product, path) for path in test_paths}
        tree = put_files(bench.repository, baseline.tree, contents)
        on_base = _run(bench, tree, command, cancelled)
        failing_on_base = {name for name in passed if name not in on_base.report.passed_ids}
    return NewTests(
        passed=len(passed),
        failed=len(failed),
        failing_on_base=len(failing_on_base),
        flags=tuple([f"{len(failed)} of the candidate's own tests fail"] if failed else []),
    )


def _run(bench: Bench, tree: Oid, command: TestCommand, cancelled: Callable[[], bool] | None) -> SuiteRun:
    with fresh_tree(bench, tree) as fresh:
        for setup in bench.setup:
            fresh.run(setup, cancelled=cancelled)
        return run_suite(fresh, layout_of(bench, tree), command=command, cancelled=cancelled)


def _only(tests: TestCommand, paths: tuple[str, ...]) -> TestCommand:
    """The same command for these files only, where it is ours to change."""
    files = tuple(path for path in paths if path.endswith(".py") and not path.endswith(("conftest.py", "__init__.py")))
    if tests.kind is not TestKind.PYTEST or isinstance(tests.command, str) or not files:
        return tests
    return replace(tests, command=(*tests.command, "--", *files))
