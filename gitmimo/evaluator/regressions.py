"""Comparing one run of the tests with the base: what broke, what vanished, what was fixed, what is only flaky."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.required_fixes import COLLECTION, ids_in_file, passes
from gitmimo.evaluator.testbed import SuiteRun, TestBed, run_tests
from gitmimo.evidence import Outcome, TestReport
from gitmimo.ids import Oid

_COVERAGE = re.compile(r"(?:required test )?coverage (?:of \d|threshold|failure|for \w+ \()", re.I)
"""A threshold that new code misses when its own tests are run apart."""

RERUNS = 2
_EXAMPLE = re.compile(r"(?:.*/)?(\w+)\.py::(?:\w+\.)*\1\.(.+)")
_MOST_RERUN = 10  # more new failures than this are no flicker


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFindings:
    """One run compared with the base."""

    outcome: Outcome
    detail: str
    broken_ids: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    fixed_ids: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # what a person should know of the run, whatever its outcome


def compare_suite(baseline: Baseline, run: SuiteRun) -> SuiteFindings:
    """Say whether nothing that passed on base fails or is gone.

    No report where base had one, a planted test that misbehaved, a limit or an unexplained exit code all fail.
    """
    report = run.report
    if problem := _unusable(baseline, run):
        return SuiteFindings(outcome=Outcome.FAIL, detail=problem)
    if not baseline.report.has_report:
        return replace(_by_exit_code(baseline, report.exit_code), doubts=_doubts(baseline, run))
    if tampered := _tampered(baseline, run):
        return SuiteFindings(outcome=Outcome.FAIL, detail=f"results are tampered with: {_some(tampered)}")
    broken = sorted(name for name in baseline.passed_ids if name in report.cases and name not in report.passed_ids)
    broken += sorted(_failing_anew(baseline, run))
    gone = (name for name in baseline.passed_ids | baseline.failed_ids if name not in report.cases)
    moved = {_example_name(name) for name in report.passed_ids - baseline.cases.keys()} - {""}
    missing = sorted(n for n in gone if not ids_in_file(n, report.cases) and _example_name(n) not in moved)
    fixed = sorted(name for name in baseline.failed_ids if passes(name, report.cases))
    if broken or missing:
        outcome, detail = Outcome.FAIL, _describe(broken, missing, run.content.import_errors)
    elif _is_unexplained(baseline.report, report):
        outcome, detail = Outcome.FAIL, f"no test explains that the command ended with exit code {report.exit_code}"
        fixed = []  # its results can't be trusted
    elif not report.cases and baseline.cases:
        outcome, detail = Outcome.FAIL, "no test ran"
    else:
        outcome, detail = Outcome.PASS, f"{len(report.passed_ids)} of {len(report.cases)} passed"
    return SuiteFindings(
        outcome=outcome,
        detail=detail,
        broken_ids=tuple(broken),
        missing_ids=tuple(missing),
        fixed_ids=tuple(fixed),
        doubts=_doubts(baseline, run),
    )


def rerun_broken(
    testbed: TestBed, baseline: Baseline, tree: Oid, first: SuiteFindings
) -> tuple[SuiteFindings, tuple[str, ...]]:
    """Run a tree's tests again if few fail that passed on base; return the findings and the flaky tests.

    Only those that pass in every further run are flaky; a test that vanished is no matter of chance.
    """
    suspects = set(first.broken_ids)
    if not suspects or first.missing_ids or len(suspects) > _MOST_RERUN:
        return first, ()
    again = first
    for _ in range(RERUNS):
        run = run_tests(testbed, tree)
        again = compare_suite(baseline, run)
        if run.problem or run.report.timed_out or not run.report.has_report:
            return first, ()
        suspects &= run.report.passed_ids
        if not suspects:
            return first, ()
    if still := sorted(set(first.broken_ids) - suspects):
        return replace(first, broken_ids=tuple(still)), ()
    return again, tuple(sorted(suspects)) if again.outcome is Outcome.PASS else ()


def fixed_tests(findings: SuiteFindings, run: SuiteRun) -> list[str]:
    """The fixed tests by id: for a file that can be imported now, all of its tests that passed."""
    inside = [test for name in findings.fixed_ids for test in ids_in_file(name, run.report.passed_ids)]
    return [name for name in findings.fixed_ids if not name.endswith(COLLECTION)] + inside


def _example_name(name: str) -> str:
    """The function that a documentation example's id names, without its module: it may move; empty for other tests."""
    found = _EXAMPLE.fullmatch(name)
    return found[2] if found else ""


def _unusable(baseline: Baseline, run: SuiteRun) -> str:
    """Why the results of a run cannot be compared; empty when they can."""
    if run.report.timed_out:
        return "the tests did not end in time"
    if run.killed_by:
        return f"the tests passed the limit of {run.killed_by}"
    if baseline.report.has_report and not run.report.has_report:
        return run.problem or f"no report was written, exit code {run.report.exit_code}"
    return run.problem


def _tampered(baseline: Baseline, run: SuiteRun) -> list[str]:
    """What judges the product and is not what it is on base."""
    stand_ins = sorted((run.content.watched.inside & baseline.watched.outside) - baseline.packages)
    found = [f"the tree's `{name}` stands in for the module that the tests use on base" for name in stand_ins]
    return found + sorted(run.content.watched.tampered - baseline.watched.tampered)


def _doubts(baseline: Baseline, run: SuiteRun) -> tuple[str, ...]:
    new = sorted(run.content.watched.doubtful - baseline.watched.doubtful)
    found = [f"changes the process, the standard library or files under the tests: {_some(new)}"] if new else []
    if run.is_flooded and not baseline.is_flooded:
        found.append("the tests print far more than on base")
    if run.report.exit_code and not run.report.failed_ids and _COVERAGE.search(run.report.output):
        found.append(f"a threshold of coverage is not reached: exit code {run.report.exit_code}")
    return tuple(found)


def _failing_anew(baseline: Baseline, run: SuiteRun) -> set[str]:
    """Tests that fail and that base did not run, or skipped; not those of files that base could not import."""
    known = baseline.failed_ids | baseline.passed_ids | set(baseline.flaky_ids)
    new = {name for name in run.report.failed_ids - known if not name.endswith(COLLECTION)}
    return new.difference(*(ids_in_file(name, new) for name in baseline.failed_ids))


def _is_unexplained(before: TestReport, now: TestReport) -> bool:
    """Whether a run ended with an exit code that its tests don't explain: a crash after them, a broken plugin."""
    if now.exit_code > 128 and now.exit_code != before.exit_code:
        return True
    is_as_before = now.exit_code == before.exit_code and not before.failed_ids
    return bool(now.exit_code) and not now.failed_ids and not is_as_before and not _COVERAGE.search(now.output)


def _describe(broken: list[str], missing: list[str], import_errors: Sequence[tuple[str, str]]) -> str:
    """What broke and vanished, in one line; files that cannot be imported come first, with their error."""
    parts = [f"cannot import `{file}`" + (f": {error}" if error else "") for file, error in import_errors[:3]]
    if broken:
        parts.append(f"{len(broken)} passed on base and {'fails' if len(broken) == 1 else 'fail'} now: {_some(broken)}")
    if missing:
        parts.append(f"{len(missing)} vanished: {_some(missing)}")
    return "; ".join(parts)


def _by_exit_code(baseline: Baseline, exit_code: int) -> SuiteFindings:
    if exit_code == 0:
        fixed = "" if baseline.report.exit_code == 0 else ", where the base fails"
        ids = (baseline.tests.name,) if fixed else ()
        return SuiteFindings(outcome=Outcome.PASS, detail=f"exit code 0{fixed}", fixed_ids=ids)
    if baseline.report.exit_code == 0:
        return SuiteFindings(outcome=Outcome.FAIL, detail=f"exit code {exit_code} where the base has 0")
    return SuiteFindings(
        outcome=Outcome.UNKNOWN,
        detail=f"exit code {exit_code}; the base fails as well, and without results by test id nothing more is known",
    )


def _some(names: list[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
