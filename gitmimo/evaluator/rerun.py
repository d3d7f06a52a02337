"""Tests that fail once and pass when they are run again are flaky: set aside, and recorded."""

from collections.abc import Callable
from dataclasses import replace

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.regressions import SuiteFindings, compare_suite
from gitmimo.evaluator.testbed import TestBed, fresh_tree, run_suite
from gitmimo.evidence import Outcome
from gitmimo.records import Oid

RERUNS = 2
_MOST_RERUN = 10  # more new failures than this are no flicker


def rerun_broken(
    testbed: TestBed,
    baseline: Baseline,
    tree: Oid,
    layout: Layout,
    first: SuiteFindings,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[SuiteFindings, tuple[str, ...]]:
    """Run a tree's tests again if few fail that passed on base; return the findings and the flaky tests.

    Only those that pass in every further run are; a test that vanished is no matter of chance.
    """
    suspects = set(first.broken_ids)
    if not suspects or first.missing_ids or len(suspects) > _MOST_RERUN:
        return first, ()
    again = first
    for _ in range(RERUNS):
        with fresh_tree(testbed, tree) as fresh:
            if any(fresh.run(command, cancelled=cancelled).exit_code for command in testbed.setup):
                return first, ()
            run = run_suite(fresh, layout, cancelled=cancelled)
        again = compare_suite(baseline, run)
        if run.problem or run.report.timed_out or not run.report.has_report:
            return first, ()
        suspects &= run.report.passed_ids
        if not suspects:
            return first, ()
    still = sorted(set(first.broken_ids) - suspects)
    if still:
        return replace(first, broken_ids=tuple(still)), ()
    return (again, tuple(sorted(suspects))) if again.outcome is Outcome.PASS else (again, ())
