"""Evidence about one product: six gates in order, fail-closed, in fresh trees."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gitmimo.evaluator.baseline import NO_TEST_RAN, Baseline
from gitmimo.evaluator.bench import Bench, FreshTree, SuiteRun, fresh_tree, layout_of, run_suite
from gitmimo.evaluator.counterproof import Ask, prepare_counterproof
from gitmimo.evaluator.goals import Mending, Need
from gitmimo.evaluator.layout import Layout
from gitmimo.evaluator.newtests import NewTests, judge_new_tests
from gitmimo.evaluator.product import inspect_product
from gitmimo.evaluator.store import EvidenceStore, evidence_key
from gitmimo.evaluator.suite import SuiteFindings, compare_suite
from gitmimo.evaluator.suspicion import REVIEW, suspicious_lines, suspicious_paths
from gitmimo.evaluator.tested_tree import TestedTree, build_tested_tree
from gitmimo.evidence import DiffFacts, Evidence, Gate, Outcome, TestOutcome
from gitmimo.git.patch import added_lines
from gitmimo.git.tree import without_mimo
from gitmimo.records import CommandResult, Oid

GATES = ("product", "setup", "suite", "accept", "new tests", "origin")
_MOST_RERUN = 10  # more new failures than this are no flicker
_RERUNS = 2
_RULES = 2  # evidence kept under older rules is not used again


@dataclass(slots=True)
class _Course:
    """What one evaluation has found so far."""

    gates: list[Gate] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    findings: SuiteFindings | None = None
    run: SuiteRun | None = None
    flaky: list[str] = field(default_factory=list)
    new_tests: NewTests | None = None

    @property
    def is_open(self) -> bool:
        return all(gate.outcome in (Outcome.PASS, Outcome.SKIPPED) for gate in self.gates)


def evaluate(
    bench: Bench,
    baseline: Baseline,
    product: Oid,
    *,
    mending: Mending | None = None,
    store: EvidenceStore | None = None,
    with_new_tests: bool = True,
    cancelled: Callable[[], bool] | None = None,
    elsewhere: Callable[[], Evidence] | None = None,
) -> Evidence:
    """Judge a product, given as commit or tree; `.mimo/` is left out.

    Equal products are judged once, also when asked for at the same time, if there is a `store`. CheckError when
    nothing could be found out, for example because it was cancelled; a failing product is no error.
    """
    mending = mending or Mending()
    bench = replace(bench, tests=baseline.tests)
    tree = without_mimo(bench.repository, bench.repository.tree_of(product))
    if store is None:
        return _judge(bench, baseline, tree, mending, with_new_tests, cancelled)
    wish = json.dumps([_RULES, mending.need.value, sorted(mending.test_ids), with_new_tests])
    fingerprint = hashlib.sha256(f"{baseline.fingerprint}\0{wish}".encode()).hexdigest()[:20]
    key = evidence_key(tree=tree, base=bench.base, commands=bench.commands, fingerprint=fingerprint)
    with store.reserve(key, cancelled=cancelled):
        found = store.find(key)
        if found is not None and _tested_tree_again(bench, tree, found) == found.tested_tree:
            return found
        if elsewhere is not None:
            evidence = elsewhere()
        else:
            evidence = _judge(bench, baseline, tree, mending, with_new_tests, cancelled)
        store.keep(key, evidence)
    return evidence


def _tested_tree_again(bench: Bench, tree: Oid, found: Evidence) -> Oid:
    """The tested tree of earlier evidence, written anew: nothing may have held it since."""
    if found.tested_tree == tree:
        return found.tested_tree
    return build_tested_tree(bench, tree, found.diff).tree


def _judge(
    bench: Bench,
    baseline: Baseline,
    tree: Oid,
    mending: Mending,
    with_new_tests: bool,
    cancelled: Callable[[], bool] | None,
) -> Evidence:
    started = time.monotonic()
    course = _Course()
    course.flags += [f"{REVIEW}{note}" for note in baseline.notes if note == NO_TEST_RAN]
    base = without_mimo(bench.repository, baseline.tree)
    findings = inspect_product(bench.repository, base, tree, known_secrets=bench.known_secrets)
    course.flags += findings.flags
    _record(course, "product", started, not findings.problems, "; ".join(findings.problems[:5]) or _size(findings.diff))
    tested = TestedTree(tree=tree)
    if course.is_open:
        tested = build_tested_tree(bench, tree, findings.diff)
        course.flags += [*tested.flags, *suspicious_paths(findings.diff)]
        ours = (line for line in added_lines(bench.repository, base, tree) if line.path not in tested.test_paths)
        course.flags += suspicious_lines(ours)
        with prepare_counterproof(bench, baseline, tested.tree, cancelled=cancelled) as counterproof:
            _run_gates(bench, baseline, tested, mending, course, cancelled)
            if course.is_open:
                _put_to(counterproof, course)
        began = time.monotonic()
        if course.is_open and with_new_tests and tested.test_paths:
            course.new_tests = judge_new_tests(bench, baseline, tree, tested.test_paths, cancelled=cancelled)
            course.flags += course.new_tests.flags
            _record(course, "new tests", began, True, course.new_tests.detail)
        _check_origin(course)
    return _evidence(bench, baseline, tree, tested, findings.diff, course, time.monotonic() - started)


def _run_gates(
    bench: Bench,
    baseline: Baseline,
    tested: TestedTree,
    mending: Mending,
    course: _Course,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Gates 2 to 4, in one fresh tree."""
    began = time.monotonic()
    with fresh_tree(bench, tested.tree) as fresh:
        failed = _first_failure(fresh, bench.setup, cancelled)
        if bench.setup:
            _record(course, "setup", began, failed is None, _said(failed) if failed else "")
        if failed is not None:
            return
        began = time.monotonic()
        course.run = run_suite(fresh, _layout(bench, baseline, tested.tree), cancelled=cancelled)
        course.findings = compare_suite(baseline, course.run)
        if course.findings.outcome is not Outcome.PASS and not course.run.problem:
            course.findings = _set_flaky_aside(bench, baseline, tested.tree, course, cancelled)
        seconds = time.monotonic() - began
        course.gates.append(
            Gate(name="suite", outcome=course.findings.outcome, detail=course.findings.detail, seconds=seconds)
        )
        if not course.is_open:
            return
        began = time.monotonic()
        problem = _unmended(mending, course.run)
        if not problem and bench.accept:
            refused = _first_failure(fresh, bench.accept, cancelled)
            problem = _said(refused) if refused else ""
        if bench.accept or mending.need is not Need.NONE:
            _record(course, "accept", began, not problem, problem)


def _put_to(counterproof: Ask, course: _Course) -> None:
    """Take the suite's gate back when tests that cannot pass are reported as passed."""
    run, findings = course.run, course.findings
    if run is None or findings is None or not run.report.has_report:
        return
    proof = counterproof(passed=run.report.passed_ids, mended=findings.fixed_ids)
    if proof.forged:
        detail = f"results are forged: reported as passed although they cannot pass: {', '.join(proof.forged[:3])}"
        course.findings = replace(findings, outcome=Outcome.FAIL, detail=detail, fixed_ids=())
        suite = next(gate for gate in course.gates if gate.name == "suite")
        course.gates[course.gates.index(suite)] = replace(suite, outcome=Outcome.FAIL, detail=detail)
        course.run = replace(run, report=replace(run.report, cases={}))
    elif proof.doubt:
        course.flags.append(f"{REVIEW}whether its tests can fail could not be shown: {proof.doubt}")
    if proof.equal_to_everything:
        course.flags.append(f"{REVIEW}its values are equal to everything: {', '.join(proof.equal_to_everything[:3])}")


def _layout(bench: Bench, baseline: Baseline, tree: Oid) -> Layout:
    """Where the product keeps its packages, and those whose origin counts: the ones that base has as well.

    A new package may have the name of an installed one that the test runner itself has loaded before.
    """
    found = layout_of(bench, tree)
    return replace(found, packages=tuple(name for name in found.packages if name in baseline.layout.packages))


def _set_flaky_aside(
    bench: Bench, baseline: Baseline, tree: Oid, course: _Course, cancelled: Callable[[], bool] | None
) -> SuiteFindings:
    """Run again when few tests fail anew; only those that pass in every further run are set aside, and recorded."""
    first = course.findings
    assert first is not None
    suspects = set(first.broken_ids)
    if not suspects or first.missing_ids or len(suspects) > _MOST_RERUN:
        return first
    again = first
    for _ in range(_RERUNS):
        with fresh_tree(bench, tree) as fresh:
            if _first_failure(fresh, bench.setup, cancelled) is not None:
                return first
            run = run_suite(fresh, _layout(bench, baseline, tree), cancelled=cancelled)
        again = compare_suite(baseline, run)
        if run.problem or run.report.timed_out or not run.report.has_report:
            return first
        suspects -= {name for name in suspects if name not in run.report.passed_ids}
        if not suspects:
            return first
    still = sorted(set(first.broken_ids) - suspects)
    if still:
        return replace(first, broken_ids=tuple(still))
    if again.outcome is not Outcome.PASS:
        return again
    course.flaky += sorted(suspects)
    course.flags.append(f"failed once and passed in {_RERUNS} further runs: {', '.join(sorted(suspects)[:3])}")
    return again


def _unmended(mending: Mending, run: SuiteRun) -> str:
    """Which of the failing tests that the task is about still fail."""
    passed = run.report.passed_ids if run.report.has_report else frozenset()
    left = [name for name in mending.test_ids if name not in passed]
    if mending.need is Need.ALL and left:
        return f"{len(left)} tests that the task is about still fail: {', '.join(left[:3])}"
    if mending.need is Need.ANY and len(left) == len(mending.test_ids):
        return f"none of the tests that failed on base passes: {', '.join(left[:3])}"
    return ""


def _first_failure(
    fresh: FreshTree, commands: tuple[str, ...], cancelled: Callable[[], bool] | None
) -> CommandResult | None:
    for command in commands:
        result = fresh.run(command, env=_import_path(fresh), cancelled=cancelled)
        if result.exit_code or result.timed_out or result.killed_by_limit:
            return result
    return None


def _import_path(fresh: FreshTree) -> dict[str, str]:
    """So that a command tests this tree's packages and not an installed copy."""
    roots = layout_of(fresh.bench, fresh.tree).roots
    return {"PYTHONPATH": ":".join(str(fresh.path / root) for root in roots)}


def _said(result: CommandResult) -> str:
    last = " | ".join(line.strip() for line in result.output.strip().splitlines()[-3:])[:300]
    why = "did not end in time" if result.timed_out else f"exit code {result.exit_code}"
    return f"`{result.command}`: {why}: {last}"


def _check_origin(course: _Course) -> None:
    """Gate 6: the packages that the tests imported lie in the fresh tree."""
    if course.run is None or not course.run.report.has_report or not course.run.imported:
        return
    outside = course.run.imported_elsewhere
    detail = f"imported from elsewhere: {', '.join(outside)}" if outside else ""
    _record(course, "origin", time.monotonic(), not outside, detail)


def _size(diff: DiffFacts) -> str:
    return f"{len(diff.files)} files, {diff.added} lines added, {diff.removed} removed"


def _record(course: _Course, name: str, began: float, good: bool, detail: str = "") -> None:
    outcome = Outcome.PASS if good else Outcome.FAIL
    course.gates.append(Gate(name=name, outcome=outcome, detail=detail, seconds=time.monotonic() - began))


def _evidence(
    bench: Bench, baseline: Baseline, tree: Oid, tested: TestedTree, diff: DiffFacts, course: _Course, seconds: float
) -> Evidence:
    findings = course.findings
    cases = course.run.report.cases if course.run else {}
    return Evidence(
        tree=tree,
        tested_tree=tested.tree,
        base=bench.base,
        gates=tuple(_in_order(course.gates)),
        commands=bench.commands,
        fingerprint=baseline.fingerprint,
        diff=diff,
        tests_passed=sum(outcome is TestOutcome.PASSED for outcome in cases.values()),
        tests_run=sum(outcome is not TestOutcome.SKIPPED for outcome in cases.values()),
        fixed_ids=findings.fixed_ids if findings else (),
        broken_ids=findings.broken_ids if findings else (),
        missing_ids=findings.missing_ids if findings else (),
        flaky_ids=tuple(sorted({*baseline.flaky_ids, *course.flaky})),
        new_tests_passed=course.new_tests.passed if course.new_tests else 0,
        new_tests_failing_on_base=course.new_tests.failing_on_base if course.new_tests else 0,
        restored_paths=tested.restored_paths,
        flags=tuple(dict.fromkeys(course.flags)),
        seconds=seconds,
    )


def _in_order(gates: list[Gate]) -> Iterator[Gate]:
    """All six gates; those that said nothing are skipped, with the reason."""
    by_name = {gate.name: gate for gate in gates}
    failed = next((gate.name for gate in gates if gate.outcome not in (Outcome.PASS, Outcome.SKIPPED)), "")
    for name in GATES:
        detail = f"not run: `{failed}` failed" if failed else "nothing to check"
        yield by_name.get(name) or Gate(name=name, outcome=Outcome.SKIPPED, detail=detail)
