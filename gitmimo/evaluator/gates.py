"""The gates of one product, in order, fail-closed, each in a fresh tree; their findings become evidence."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from gitmimo.evaluator.baseline import NO_TEST_RAN, Baseline
from gitmimo.evaluator.behaviour.changed import ChangedFunctions, changed_in_trees
from gitmimo.evaluator.behaviour.runs import recording_base
from gitmimo.evaluator.candidate_tests import CandidateTests, run_candidate_tests
from gitmimo.evaluator.changed_lines import Points, describe_points, not_run, runnable_changes, unnamed_limits
from gitmimo.evaluator.doc_examples import check_examples
from gitmimo.evaluator.forgery_check import ForgeryReport, prepare_forgery_check
from gitmimo.evaluator.product import inspect_product
from gitmimo.evaluator.regressions import RERUNS, SuiteFindings, compare_suite, fixed_tests, rerun_broken
from gitmimo.evaluator.reports import ReportContent
from gitmimo.evaluator.required_fixes import RequiredFixes, passes
from gitmimo.evaluator.review_flags import REVIEW, suspicious_lines
from gitmimo.evaluator.testbed import FreshTree, SuiteRun, TestBed, fresh_tree, run_suite, run_tests
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.evaluator.tested_tree import TestedTree, build_tested_tree, with_own_tests
from gitmimo.evidence import DiffFacts, Evidence, Gate, Outcome, TestOutcome, TestReport
from gitmimo.git.diff import added_lines
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid
from gitmimo.records import CommandResult
from gitmimo.text import quoted

GATES = ("product", "setup", "suite", "examples", "accept", "new tests", "origin")
_GOOD = (Outcome.PASS, Outcome.SKIPPED)
_RUN = (TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.ERROR)
_MOST_OUTPUT = 4_000
_NO_RUN = SuiteRun(report=TestReport(command="", exit_code=0), content=ReportContent())
_NO_FINDINGS = SuiteFindings(outcome=Outcome.UNKNOWN, detail="")
_NO_TESTS = CandidateTests(cases={}, problem="not run")


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """One evaluation: what it is given, and what it has found so far."""

    testbed: TestBed
    baseline: Baseline
    tree: Oid
    required: RequiredFixes
    started: float = field(default_factory=time.monotonic)
    diff: DiffFacts = field(default_factory=DiffFacts)
    tested: TestedTree = field(init=False)
    gates: dict[str, Gate] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    findings: SuiteFindings = _NO_FINDINGS
    suite: SuiteRun = _NO_RUN
    flaky: list[str] = field(default_factory=list)
    own: CandidateTests = _NO_TESTS
    not_run: Points = field(default_factory=dict)  # what of the change no test ran or saw, as far as that is known
    functions: frozenset[str] = frozenset()  # changed or new ones, whose calls are noted to compare behaviour
    passes_as_changed: bool = False  # the suite passes only with the candidate's version of some tests

    def __post_init__(self) -> None:
        self.tested = TestedTree(tree=self.tree, product=self.tree)

    def run(self) -> Evidence:
        """Every gate until one fails."""
        self.flags += [f"{REVIEW}{note}" for note in self.baseline.notes if note == NO_TEST_RAN]
        self._product()
        if self._is_open:
            testbed, baseline, tree = self.testbed, self.baseline, self.tested.tree
            changed = ChangedFunctions()
            if baseline.tests.report is ReportFormat.PYTEST:
                changed = changed_in_trees(testbed.repository, baseline.tree, (tree,))
            self.functions = changed.existing | changed.added
            with (
                prepare_forgery_check(testbed, baseline, tree, functions=self.functions) as check_forgery,
                recording_base(testbed, baseline, changed.existing) as keep_recording,
            ):
                self._suite_and_accept()
                if self._is_open and self.suite.report.has_report:
                    self._check_forgery(check_forgery)
                if self._is_open:
                    keep_recording()
            for check in (self._examples, self._own_tests):
                if self._is_open:
                    check()
            self._origin()
            self._something_passes()
            self._something_lands()
        return self._evidence()

    @property
    def _is_open(self) -> bool:
        return all(gate.outcome in _GOOD for gate in self.gates.values())

    def _record(self, name: str, began: float, good: bool, detail: str = "") -> None:
        outcome = Outcome.PASS if good else Outcome.FAIL
        self.gates[name] = Gate(name=name, outcome=outcome, detail=detail, seconds=time.monotonic() - began)

    def _product(self) -> None:
        """Inspect the product, and fail if nothing is left of it once base's protected files are restored."""
        testbed, base = self.testbed, without_mimo(self.testbed.repository, self.baseline.tree)
        found = inspect_product(testbed.repository, base, self.tree, known_secrets=testbed.known_secrets)
        self.diff = found.diff
        self.flags += found.flags
        size = f"{len(found.diff.files)} files, {found.diff.added} lines added, {found.diff.removed} removed"
        self._record("product", self.started, not found.problems, "; ".join(found.problems[:5]) or size)
        if found.problems:
            return
        tested = self.tested = build_tested_tree(testbed, self.tree, found.diff)
        if not tested.test_paths and without_mimo(testbed.repository, tested.tree) == base:
            names = ", ".join(map(quoted, tested.restored_paths[:3]))
            detail = f"only protected files changed, and base's version of them counts: {names}"
            self._record("product", self.started, False, detail)
        self.flags += tested.flags
        ours = (line for line in added_lines(testbed.repository, base, self.tree) if line.path not in tested.test_paths)
        is_bare = not self.baseline.report.has_report or bool(testbed.accept)
        self.flags += suspicious_lines(ours, only_exit_code=is_bare)

    def _suite_and_accept(self) -> None:
        """Setup and base's tests in one fresh tree, the person's commands in another."""
        testbed, began = self.testbed, time.monotonic()
        with fresh_tree(testbed, self.tested.tree) as fresh:
            failed = fresh.first_failure(testbed.setup)
            if testbed.setup:
                self._record("setup", began, failed is None, _describe_failure(failed) if failed else "")
            if failed is not None:
                return
            self._run_base_tests(fresh)
        if not self._is_open:
            return
        began = time.monotonic()
        problem = self.required.unmet(self._cases())
        if not problem and testbed.accept:
            with fresh_tree(testbed, self.tested.tree) as fresh:  # not one that the tests could write to
                refused = fresh.first_failure((*testbed.setup, *testbed.accept))
            problem = _describe_failure(refused) if refused else ""
        if testbed.accept or self.required.test_ids:
            self._record("accept", began, not problem, problem)

    def _run_base_tests(self, fresh: FreshTree) -> None:
        """Run base's tests in base's version; or, with a flag for review, in the candidate's version."""
        began, tested = time.monotonic(), self.tested
        changed = runnable_changes(self.testbed.repository, self.baseline.tree, tested.tree)
        self.suite = run_suite(fresh, points=changed, functions=self.functions)
        if self.functions and not self.suite.problem:
            self.testbed.recorded[tested.tree] = self.suite.calls
        seen = self.suite.content.points_seen
        self.not_run = not_run(changed, seen) if seen is not None else {}
        self.findings = compare_suite(self.baseline, self.suite)
        if self.functions and self._fails_by_recording():
            self.suite = run_tests(self.testbed, tested.tree)
            self.findings = compare_suite(self.baseline, self.suite)
        self.flags += [f"{REVIEW}{doubt}" for doubt in self.findings.doubts]
        if self.findings.outcome is not Outcome.PASS and not self.suite.problem:
            self.findings, flaky = rerun_broken(self.testbed, self.baseline, tested.tree, self.findings)
            if flaky:
                self.flaky += flaky
                self.flags.append(f"failed once and passed in {RERUNS} further runs: {', '.join(flaky[:3])}")
        if self.findings.outcome is not Outcome.PASS and tested.changed_tests:
            self._run_changed_tests((*self.findings.broken_ids, *self.findings.missing_ids))
        outcome, detail = self.findings.outcome, self.findings.detail
        replaced = sorted({*tested.restored_paths} - {*tested.test_paths})
        if outcome is not Outcome.PASS and replaced:
            detail += f" (run with base's version of {', '.join(map(quoted, replaced[:3]))})"
        self.gates["suite"] = Gate(name="suite", outcome=outcome, detail=detail, seconds=time.monotonic() - began)

    def _fails_by_recording(self) -> bool:
        """Whether tests that must be fixed, and failed while calls were noted, pass without that."""
        cases = self.suite.report.cases
        if self.suite.problem or not self.required.unmet(cases):
            return False
        left = [name for name in self.required.test_ids if not passes(name, cases)]
        with fresh_tree(self.testbed, self.tested.tree, setup=self.testbed.setup) as fresh:
            again = run_suite(fresh, only={name.partition("[")[0] for name in left})
        return any(passes(name, again.report.cases) for name in left)

    def _run_changed_tests(self, lost: tuple[str, ...]) -> None:
        """Pass with a flag where the candidate's changes to tests are all that broke them."""
        if not lost:
            return
        self.own = run_candidate_tests(self.testbed, self.baseline, self.tested)
        if self.own.problem or self.own.regressions:
            return
        self.passes_as_changed = True
        changed = ", ".join(map(quoted, self.tested.changed_tests[:3]))
        self.flags.append(f"{REVIEW}{len(lost)} tests that passed on base pass only as it changed them: {changed}")
        self.findings = replace(self.findings, outcome=Outcome.PASS, detail=f"passes with its changes to {changed}")

    def _cases(self) -> dict[str, TestOutcome]:
        """The results that decide: with the candidate's version of the tests, where it passes only with that."""
        cases = dict(self.suite.report.cases) if self.suite.report.has_report else {}
        return {**cases, **self.own.cases} if self.passes_as_changed else cases

    def _check_forgery(self, check_forgery: Callable[..., ForgeryReport]) -> None:
        """Fail the suite's gate if tests that cannot pass are reported as passed."""
        run = self.suite
        proof = check_forgery(passed=run.report.passed_ids, fixed=fixed_tests(self.findings, run))
        if proof.forged:
            detail = f"results are forged: reported as passed although they cannot pass: {', '.join(proof.forged[:3])}"
            self.findings = replace(self.findings, outcome=Outcome.FAIL, detail=detail, fixed_ids=())
            self._record("suite", time.monotonic(), False, detail)
            self.suite = replace(run, report=replace(run.report, cases={}))
        elif proof.doubt:
            self.flags.append(f"{REVIEW}could not check that the tests can fail: {proof.doubt}")
        for what, names in (
            ("its values are equal to everything", proof.equal_to_everything),
            ("these pass whatever their assertions demand", proof.without_effect),
            ("these fail where the test runner doesn't show", proof.only_under_the_runner),
        ):
            self.flags += [f"{REVIEW}{what}: {', '.join(names[:3])}"] if names else []

    def _examples(self) -> None:
        """Examples in documentation that pass on base pass on the product, as base has them."""
        began = time.monotonic()
        found = check_examples(self.testbed, self.baseline.tree, self.tested.tree, self.diff)
        if found.changed:
            names = ", ".join(found.changed[:3])
            self.flags.append(f"{REVIEW}documentation examples pass only as it changed them: {names}")
        if found.broken:
            names = ", ".join(found.broken[:3])
            detail = f"{len(found.broken)} documentation examples passed on base and fail now: {names}"
            self._record("examples", began, False, detail)

    def _own_tests(self) -> None:
        """Run the candidate's own tests: which of them land, and their results. They cannot fail the product."""
        if not self.tested.test_paths:
            return
        began = time.monotonic()
        if self.own is _NO_TESTS:
            self.own = run_candidate_tests(self.testbed, self.baseline, self.tested, points=self.not_run)
        own = self.own
        self.not_run = not_run(self.not_run, own.points_seen or {})
        self._record("new tests", began, True, own.detail)
        if own.problem:
            self.flags.append(own.detail)
        elif own.failed:
            self.flags.append(f"{len(own.failed)} of the candidate's own tests fail")
        lost = sorted(name for name in self.baseline.passed_ids if own.cases.get(name) not in _RUN)
        if lost and self._changed_tests() and not self.passes_as_changed:
            self.flags.append(f"{REVIEW}with its changes to tests these no longer run: {', '.join(lost[:3])}")
        left = sorted({*self.tested.new_tests} - {*own.landing})
        if own.regressions:
            self.flags.append(f"with its changes to tests these fail or are gone: {', '.join(own.regressions[:3])}")
            left += self.tested.changed_tests
        if left:
            names = ", ".join(map(quoted, left[:5]))
            self.flags.append(f"tests that are not in the result, because they don't pass: {names}")

    def _changed_tests(self) -> tuple[str, ...]:
        """The changed test files that land."""
        return () if self.own.problem or self.own.regressions else self.tested.changed_tests

    def _origin(self) -> None:
        """The tests imported the packages from the fresh tree."""
        content = self.suite.content
        if self.suite.report.has_report and content.imported:
            outside = ", ".join(content.imported_elsewhere)
            detail = f"imported from elsewhere: {outside}" if outside else ""
            self._record("origin", time.monotonic(), not outside, detail)

    def _something_passes(self) -> None:
        """Fail if no test passes and the person gave no command: nothing shows that the product is right."""
        if not self._is_open or self.testbed.accept or not self.suite.report.has_report:
            return
        if TestOutcome.PASSED not in self._cases().values() and not self.own.passed:
            detail = "no test passes, so nothing says that it is right (name a command that does: --accept)"
            self._record("accept", time.monotonic(), False, detail)

    def _something_lands(self) -> None:
        """Fail a product that consists only of tests that do not pass."""
        base = without_mimo(self.testbed.repository, self.baseline.tree)
        if not self._is_open or self._changed_tests() or self.own.landing:
            return
        if without_mimo(self.testbed.repository, self.tested.tree) == base:
            self._record("product", self.started, False, "all that it changes is tests that don't pass")

    def _uncovered(self) -> tuple[str, ...]:
        repository = self.testbed.repository
        limits = unnamed_limits(repository, without_mimo(repository, self.baseline.tree), self.tree)
        read = partial(repository.read_blob, self.tested.tree)
        return (*describe_points(self.not_run, read), *limits)

    def _evidence(self) -> Evidence:
        findings, own, tested, report = self.findings, self.own, self.tested, self.suite.report
        landed, changed = own.landing, self._changed_tests()
        repository = self.testbed.repository
        return Evidence(
            tree=self.tree,
            tested_tree=tested.tree,
            result_tree=with_own_tests(repository, tested, landed),
            tests_tree=with_own_tests(repository, tested, (*landed, *changed)) if changed else None,
            base=self.testbed.base,
            gates=tuple(_in_order(self.gates)),
            commands=self.testbed.command_names,
            fingerprint=self.baseline.fingerprint,
            diff=self.diff,
            tests_passed=len(report.passed_ids),
            tests_run=len(report.cases) - report.count(TestOutcome.SKIPPED),
            fixed_ids=findings.fixed_ids,
            accepted_by=self.testbed.accept if self._is_open else (),
            broken_ids=findings.broken_ids,
            missing_ids=findings.missing_ids,
            flaky_ids=tuple(sorted({*self.baseline.flaky_ids, *self.flaky})),
            new_tests_passed=len(own.passed),
            proving_tests=own.failing_on_base,
            landed_tests=landed,
            changed_tests=changed,
            restored_paths=tuple(path for path in tested.restored_paths if path not in (*landed, *changed)),
            uncovered=self._uncovered() if self._is_open else (),
            flags=tuple(dict.fromkeys(self.flags)),
            output=report.output[-_MOST_OUTPUT:] if not self._is_open else "",
            seconds=time.monotonic() - self.started,
        )


def _describe_failure(result: CommandResult) -> str:
    last = " | ".join(line.strip() for line in result.output.strip().splitlines()[-3:])[:300]
    why = "did not end in time" if result.timed_out else f"exit code {result.exit_code}"
    return f"`{result.command}`: {why}: {last}"


def _in_order(gates: dict[str, Gate]) -> Iterator[Gate]:
    """All gates; those that said nothing are skipped, with the reason."""
    failed = next((gate.name for gate in gates.values() if gate.outcome not in _GOOD), "")
    for name in GATES:
        detail = f"not run: `{failed}` failed" if failed else "nothing to check"
        yield gates.get(name) or Gate(name=name, outcome=Outcome.SKIPPED, detail=detail)
