"""What the base itself says: measured twice, so that flaky tests are ignored."""

import hashlib
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from gitmimo.errors import CheckError
from gitmimo.evaluator.python_env import describe_interpreter
from gitmimo.evaluator.reports import Watched
from gitmimo.evaluator.required_fixes import unrelated_tests
from gitmimo.evaluator.testbed import SuiteRun, TestBed, fresh_tree, layout_of, run_suite
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand
from gitmimo.evidence import TestOutcome, TestReport
from gitmimo.ids import Oid

NO_TEST_RAN = "the base has no test that ran: passing says nothing"
_PATIENCE = 3  # times the limit of a hanging test in the second run


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The base's results. `cases` holds the tests on which all runs agree; `tests` how they are read from now on.

    Tests on which the runs disagree, `flaky_ids`, are in none of the others.
    """

    tree: Oid
    tests: TestCommand
    report: TestReport
    packages: frozenset[str] = frozenset()  # that it can import from its own tree
    cases: Mapping[str, TestOutcome] = field(default_factory=dict)
    flaky_ids: tuple[str, ...] = ()
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    watched: Watched = Watched()
    is_flooded: bool = False  # its output is more than is kept
    unrelated_ids: frozenset[str] = frozenset()  # of the failing tests, those that no change of the project can fix

    @property
    def passed_ids(self) -> frozenset[str]:
        """Tests that pass on base, every time."""
        return frozenset(name for name, outcome in self.cases.items() if outcome is TestOutcome.PASSED)

    @property
    def failed_ids(self) -> frozenset[str]:
        """Tests that fail on base, every time."""
        bad = (TestOutcome.FAILED, TestOutcome.ERROR)
        return frozenset(name for name, outcome in self.cases.items() if outcome in bad)

    def hang_after_s(self, testbed: TestBed) -> float:
        """After how many seconds a test of a product hangs: not before all of base's tests had ended."""
        return max(testbed.hang_after_s, 1.5 * self.report.seconds)


def measure_base(testbed: TestBed) -> Baseline:
    """Run setup and tests on base, each time in a fresh tree; two runs at once where they can't meet.

    Candidates' tests also run at the same time: a test that fails under that load shows as flaky here and is ignored.

    CheckError when setup fails, when the tests don't end, can't run at all, or test another copy of the code.
    """
    tree = testbed.repository.tree_of(testbed.base)
    tests, notes = testbed.tests, []

    def run_once(number: int) -> SuiteRun:
        # a test that is only slow passes when it is given more time, and is set aside as flaky
        patience = 1 if number == 0 else _PATIENCE
        return _run_base(replace(testbed, hang_after_s=testbed.hang_after_s * patience), tree)

    with ThreadPoolExecutor(max_workers=2 if testbed.may_run_together else 1, thread_name_prefix="base-run") as pool:
        done = list(pool.map(run_once, (0, 1)))
    if tests.report is not ReportFormat.NONE and not all(run.report.has_report for run in done):
        tests = replace(tests, report=ReportFormat.NONE)
        notes.append("no results by test id: only the exit code of the test command counts")
    cases, flaky = _agree([run.report for run in done])
    if done[0].report.has_report and not cases and not flaky:
        notes.append(NO_TEST_RAN)
    baseline = Baseline(
        tree=tree,
        tests=tests,
        report=done[0].report,
        packages=frozenset(layout_of(testbed, tree).packages),
        cases=cases,
        flaky_ids=flaky,
        fingerprint=_fingerprint(testbed, tests, cases, done[0].report.exit_code),
        notes=tuple(notes),
        watched=_all_watched([run.content.watched for run in done]),
        is_flooded=any(run.is_flooded for run in done),
    )
    paths = [entry.path for entry in testbed.repository.list_paths(tree)] if baseline.failed_ids else []
    read = partial(testbed.repository.read_blob, tree)
    return replace(baseline, unrelated_ids=unrelated_tests(baseline.failed_ids, paths, read))


def _all_watched(runs: list[Watched]) -> Watched:
    """What any of the runs was seen to do."""
    reads = {path: reader for run in runs for path, reader in run.reads.items()}
    names = ("tampered", "doubtful", "outside", "inside")
    return Watched(reads=reads, **{name: frozenset().union(*(getattr(run, name) for run in runs)) for name in names})


def _run_base(testbed: TestBed, tree: Oid) -> SuiteRun:
    """Setup and tests in a fresh tree of base; CheckError for what makes a measurement impossible."""
    with fresh_tree(testbed, tree) as fresh:
        if failed := fresh.first_failure(testbed.setup):
            raise CheckError(
                f"setup fails on the base commit with exit code {failed.exit_code}: `{failed.command}`: "
                f"{_last_lines(failed.output)}",
                hint="give a command that works offline, or allow the network: "
                "`git mimo config set sandbox.network true`",
            )
        run = run_suite(fresh)
    _check_run(testbed, run)
    return run


def _check_run(testbed: TestBed, run: SuiteRun) -> None:
    report, tests = run.report, testbed.tests
    if report.timed_out:
        raise CheckError(
            f"the base's own tests did not end within {testbed.limits.timeout_s:g} s: `{tests.shown}`",
            hint="give more time: `git mimo config set testTimeout SECONDS`, or a quicker command: `--test`",
        )
    if run.killed_by:
        raise CheckError(f"the base's own tests passed the limit of {run.killed_by}: `{tests.shown}`")
    if report.exit_code == 127:
        raise CheckError(
            f"the test command was not found: `{tests.shown}`: {_last_lines(report.output)}",
            hint='install it, or name another command: `--test "…"`',
        )
    if tests.is_pytest and (not report.has_report or run.problem):
        why = run.problem or _last_lines(report.output)
        raise CheckError(f"the base's tests cannot be run or read: `{tests.shown}`: {why}", hint="try it by hand")
    if run.content.imported_elsewhere:
        raise CheckError(
            f"the tests import another copy of the project: {', '.join(run.content.imported_elsewhere)}",
            hint="uninstall the project from the test environment, or install it in development mode",
        )


def _agree(reports: list[TestReport]) -> tuple[dict[str, TestOutcome], tuple[str, ...]]:
    """The outcomes on which all reports agree, and the tests on which they don't."""
    cases: dict[str, TestOutcome] = {}
    flaky = []
    for name in sorted({name for report in reports for name in report.cases}):
        if len({_plain(report.cases.get(name)) for report in reports}) == 1:
            cases[name] = reports[0].cases[name]
        else:
            flaky.append(name)
    return cases, tuple(flaky)


def _plain(outcome: TestOutcome | None) -> TestOutcome | None:
    return TestOutcome.FAILED if outcome is TestOutcome.ERROR else outcome


def _fingerprint(testbed: TestBed, tests: TestCommand, cases: Mapping[str, TestOutcome], exit_code: int) -> str:
    """A hash over what results depend on apart from the tree and the commands.

    The base's own results are part of it: a repaired environment shows there, and old evidence is not used again.
    """
    parts = [testbed.sandbox.name, platform.machine(), platform.release(), tests.report.value, repr(testbed.limits)]
    parts += [describe_interpreter(tests.interpreter)] if tests.interpreter else []
    parts += [str(testbed.network), *sorted(testbed.protected), *sorted(testbed.unprotected)]
    parts += [str(exit_code), *(f"{name}={outcome}" for name, outcome in sorted(cases.items()))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _last_lines(output: str, count: int = 3) -> str:
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    return " | ".join(lines[-count:])[:400] or "no output"
