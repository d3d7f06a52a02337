"""Comparing one run of the tests with the base: what broke, what vanished, what was fixed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.bench import SuiteRun
from gitmimo.evaluator.required_fixes import COLLECTION, passes
from gitmimo.evidence import Outcome, TestOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFindings:
    """One run compared with the base."""

    outcome: Outcome
    detail: str
    broken_ids: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    fixed_ids: tuple[str, ...] = ()


def compare_suite(baseline: Baseline, run: SuiteRun) -> SuiteFindings:
    """Say whether nothing that passed on base fails or is gone.

    No report where base had one, a planted test that misbehaved, a limit or an unexplained exit code all fail.
    """
    report = run.report
    expects_report = baseline.report.has_report
    if report.timed_out:
        return SuiteFindings(outcome=Outcome.FAIL, detail="the tests did not end in time")
    if run.killed_by:
        return SuiteFindings(outcome=Outcome.FAIL, detail=f"the tests passed the limit of {run.killed_by}")
    if expects_report and not report.has_report:
        why = run.problem or f"no report was written, exit code {report.exit_code}"
        return SuiteFindings(outcome=Outcome.FAIL, detail=why)
    if run.problem:
        return SuiteFindings(outcome=Outcome.FAIL, detail=run.problem)
    if not expects_report:
        return _by_exit_code(baseline, report.exit_code)
    ignored = set(baseline.flaky_ids)
    broken = sorted(n for n in baseline.passed_ids - ignored if n in report.cases and n not in report.passed_ids)
    expected = {name for name, outcome in baseline.cases.items() if outcome is not TestOutcome.SKIPPED}
    missing = sorted(
        name for name in expected - ignored if name not in report.cases and not _was_imported(name, report.cases)
    )
    fixed = sorted(name for name in baseline.failed_ids if passes(name, report.cases))
    if broken or missing:
        outcome, detail = Outcome.FAIL, describe_regressions(broken, missing, run.import_errors)
    elif baseline.report.exit_code == 0 and report.exit_code and not report.failed_ids:
        outcome, detail = Outcome.FAIL, f"no test failed, but the command ended with exit code {report.exit_code}"
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
    )


def describe_regressions(
    broken: Iterable[str], missing: Iterable[str], import_errors: Iterable[tuple[str, str]] = ()
) -> str:
    """What broke and vanished, in one line; files that cannot be imported come first, with their error."""
    broken, missing, parts = list(broken), list(missing), []
    for file, error in list(import_errors)[:3]:
        parts.append(f"cannot import `{file}`: {error}" if error else f"cannot import `{file}`")
    if broken:
        parts.append(f"{len(broken)} passed on base and fail now: {_some(broken)}")
    if missing:
        parts.append(f"{len(missing)} vanished: {_some(missing)}")
    return "; ".join(parts)


def _was_imported(name: str, cases: Iterable[str]) -> bool:
    """Whether the id stands for a file that could not be imported on base and that has results now."""
    file = name.removesuffix(COLLECTION)
    return name.endswith(COLLECTION) and any(case.startswith((f"{file}::", f"{file}.")) for case in cases)


def _by_exit_code(baseline: Baseline, exit_code: int) -> SuiteFindings:
    if exit_code == 0:
        fixed = "" if baseline.report.exit_code == 0 else ", where the base fails"
        ids = (baseline.tests.shown,) if fixed else ()
        return SuiteFindings(outcome=Outcome.PASS, detail=f"exit code 0{fixed}", fixed_ids=ids)
    if baseline.report.exit_code == 0:
        return SuiteFindings(outcome=Outcome.FAIL, detail=f"exit code {exit_code} where the base has 0")
    return SuiteFindings(
        outcome=Outcome.UNKNOWN,
        detail=f"exit code {exit_code}; the base fails as well, and without results by test id nothing more is known",
    )


def _some(names: list[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
