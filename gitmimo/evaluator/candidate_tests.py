"""The candidate's own tests: which of them may land, and their results on this product, on base and on other products.

They are evidence and never a veto: the base's tests have been run before, as base has them.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.required_fixes import COLLECTION
from gitmimo.evaluator.testbed import TestBed, run_tests
from gitmimo.evaluator.testcommand import TestCommand
from gitmimo.evaluator.tested_tree import TestedTree, with_own_tests
from gitmimo.evidence import TestOutcome
from gitmimo.files import has_test_name
from gitmimo.git.trees import write_files
from gitmimo.ids import Oid

_QUICK_S = 10.0  # below, the whole suite is run with them, which also shows that they don't disturb each other


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTests:
    """The results of a product's own tests.

    `landing` are the new files whose tests all pass, and what these need. `regressions` are tests that pass on base and
    no longer do, in files that the candidate left alone or as it changed them: then no changed file may land.
    """

    cases: Mapping[str, TestOutcome]
    passed: tuple[str, ...] = ()  # ids that base does not have
    failed: tuple[str, ...] = ()
    failing_on_base: tuple[str, ...] = ()
    landing: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()
    points_seen: Mapping[str, frozenset[str]] | None = None  # of those asked for; None: not known
    problem: str = ""  # why nothing could be measured

    @property
    def detail(self) -> str:
        """One line for people."""
        if self.problem:
            return f"its own tests could not be run: {self.problem}"
        count, on_base = len(self.passed), len(self.failing_on_base)
        return f"{count} of {count + len(self.failed)} new tests pass, {on_base} of them fail on base"


def run_candidate_tests(
    testbed: TestBed,
    baseline: Baseline,
    tested: TestedTree,
    *,
    points: Mapping[str, Collection[str]] | None = None,
) -> CandidateTests:
    """Run the product with its new and changed tests, then base with the new ones; base's configuration counts."""
    own = (*tested.new_tests, *tested.changed_tests)
    tree = with_own_tests(testbed.repository, tested, own)
    is_whole = bool(tested.changed_tests) or baseline.report.seconds < _QUICK_S
    command = with_files(baseline.tests, own) if is_whole else only_files(baseline.tests, tested.new_tests)
    run = run_tests(testbed, tree, command=command, points=points)
    report = run.report
    if not report.has_report:
        return CandidateTests(cases={}, problem=run.problem or f"no report, exit code {report.exit_code}")
    new = {name for name in report.cases if name not in baseline.report.cases}
    passed = {name for name in new if report.cases[name] is TestOutcome.PASSED}
    failed = {name for name in new if name in report.failed_ids}
    regressions = _regressions(baseline, report.cases, tested) if is_whole else ()
    failing_on_base: set[str] = set()
    if passed and own:
        whole = with_own_tests(testbed.repository, replace(tested, tree=baseline.tree), own)
        on_base = run_tests(testbed, whole, command=with_files(only_files(baseline.tests, own), own))
        failing_on_base = {name for name in passed if name not in on_base.report.passed_ids}
    return CandidateTests(
        cases=report.cases,
        passed=tuple(sorted(passed)),
        failed=tuple(sorted(failed)),
        failing_on_base=tuple(sorted(failing_on_base)),
        landing=_landing(tested.new_tests, failed, passed),
        regressions=regressions,
        points_seen=run.content.points_seen,
    )


def run_on_other(testbed: TestBed, baseline: Baseline, tree: Oid, files: Mapping[str, bytes]) -> frozenset[str]:
    """The ids that pass when another candidate's test files are put into a tree that base's tests pass on."""
    whole = write_files(testbed.repository, tree, files)
    run = run_tests(testbed, whole, command=only_files(baseline.tests, tuple(files)))
    return run.report.passed_ids if run.report.has_report and not run.problem else frozenset()


def only_files(tests: TestCommand, paths: Iterable[str]) -> TestCommand:
    """The same command for these files only, where it is ours to change."""
    files = tuple(path for path in paths if path.endswith(".py") and not path.endswith(("conftest.py", "__init__.py")))
    if not tests.is_pytest or isinstance(tests.command, str) or not files:
        return tests
    return replace(tests, command=(*tests.command, "--", *files))


def with_files(tests: TestCommand, paths: Iterable[str]) -> TestCommand:
    """The same command for these files too, where a person's command of pytest names the files to run."""
    files = [path for path in paths if has_test_name(path) and path.endswith(".py") and path not in tests.shown]
    is_one = isinstance(tests.command, str) and tests.is_pytest and not re.search(r"[;&|<>$`()\n]", tests.command)
    if not files or not is_one or not re.search(r"\S\.py\b", tests.shown):
        return tests
    return replace(tests, command=f"{tests.shown} {shlex.join(files)}")


def _file_of(test_id: str) -> str:
    return test_id.partition("::")[0].removesuffix(COLLECTION)


def _landing(new_tests: Iterable[str], failed: Iterable[str], passed: Iterable[str]) -> tuple[str, ...]:
    """New files without a failing test; none where a failing test is in no such file, or none passes."""
    paths = tuple(new_tests)
    bad = {_file_of(name) for name in failed}
    return tuple(path for path in paths if path not in bad) if bad.issubset(paths) and any(passed) else ()


def _regressions(baseline: Baseline, cases: Mapping[str, TestOutcome], tested: TestedTree) -> tuple[str, ...]:
    """Base's passing tests that fail, or are gone although the candidate did not touch their file."""
    bad = (TestOutcome.FAILED, TestOutcome.ERROR)
    passing = baseline.passed_ids
    lost = {name for name in passing if name not in cases and _file_of(name) not in tested.changed_tests}
    return tuple(sorted(lost | {name for name in passing if cases.get(name) in bad}))
