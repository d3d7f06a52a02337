"""The counterproof: tests that a product passes are made impossible to pass, and must then be seen to fail.

Product code runs in the process that reports its tests, so code that knows the report can write it. It can't know
which tests are meant to fail this time: they have the names, files and ids of the real ones. Covered: pytest and
unittest, whatever way the report was forged, and values that are equal to everything. Not covered: code that compares
the text of the test files with what it remembers of them, code that knows the tests' arguments, in slow suites code
that sees that only some tests are run, other runners. For node, tests that fail are added to each of its processes.
"""

import contextlib
import random
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.spoiling import Qualname, spoil
from gitmimo.evaluator.testbed import TestBed, fresh_tree, layout_of, run_suite
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.evidence import TestOutcome
from gitmimo.git.trees import write_files
from gitmimo.records import Oid

_MOST_MENDED = 40
_MOST_OTHERS = 8
_BESIDE_S = 5.0  # below, it is made while the suite runs, which may be for nothing
_QUICK_S = 30.0  # below, everything is run: a run of chosen tests can be told by who reads the probe's settings


_NODE_HOOK = """\
if (process.env.NODE_TEST_CONTEXT) {
  const { test } = require('node:test');
  const assert = require('node:assert');
  const wrong = {
    ok: () => assert.ok(false), equal: () => assert.equal(1, 2), strictEqual: () => assert.strictEqual(1, 2),
    deepEqual: () => assert.deepEqual([1], [2]), deepStrictEqual: () => assert.deepStrictEqual({ a: 1 }, { a: 2 }),
    throws: () => assert.throws(() => {}), match: () => assert.match('a', /b/), fail: () => assert.fail(),
  };
  for (const name of Object.keys(wrong)) test(`assert.${name} TOKEN`, wrong[name]);
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterproof:
    """What came of it. `forged` are tests reported as passed although they can't pass."""

    forged: tuple[str, ...] = ()
    equal_to_everything: tuple[str, ...] = ()
    doubt: str = ""  # why it could not be had


@dataclass(slots=True)
class _Plan:
    """Which files get which text, and what is run: ids without parameters, by what they stand for."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    must_fail: set[str] = field(default_factory=set)
    twins: dict[str, str] = field(default_factory=dict)  # id of the twin, id of the test


class Ask(Protocol):
    """Gives the counterproof of one tree, whose tests `passed`, of which some are `mended`."""

    def __call__(self, *, passed: Iterable[str], mended: Iterable[str]) -> Counterproof: ...


@contextlib.contextmanager
def prepare_counterproof(
    testbed: TestBed, baseline: Baseline, tree: Oid, *, cancelled: Callable[[], bool] | None = None
) -> Iterator[Ask]:
    """A counterproof to be asked for when the tests have passed.

    In a quick suite that may run twice at once it is begun now, about what the base says of its tests, and ended when
    nobody has asked. It is made anew when tests have passed that the base doesn't know.
    """

    def make(*, passed: Iterable[str], mended: Iterable[str]) -> Counterproof:
        return counterproof(testbed, baseline, tree, passed=passed, mended=mended, cancelled=cancelled)

    is_quick = baseline.report.seconds <= _BESIDE_S and not testbed.setup
    if not is_quick or not testbed.may_run_together or len(baseline.failed_ids) > _MOST_MENDED:
        yield make
        return
    unwanted = threading.Event()
    known = {*baseline.passed_ids, *baseline.failed_ids, *baseline.flaky_ids}
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="counterproof") as pool:
        begun = pool.submit(
            counterproof,
            testbed,
            baseline,
            tree,
            passed=baseline.passed_ids,
            mended=baseline.failed_ids,
            cancelled=lambda: unwanted.is_set() or (cancelled is not None and cancelled()),
        )

        def ask(*, passed: Iterable[str], mended: Iterable[str]) -> Counterproof:
            if known.issuperset(passed):
                return begun.result()
            unwanted.set()
            return make(passed=passed, mended=mended)

        try:
            yield ask
        finally:
            unwanted.set()


def counterproof(
    testbed: TestBed,
    baseline: Baseline,
    tree: Oid,
    *,
    passed: Iterable[str],
    mended: Iterable[str],
    cancelled: Callable[[], bool] | None = None,
) -> Counterproof:
    """Run mended tests, and some of the others that passed, in a fresh tree in which none of them can pass."""
    form = baseline.tests.report
    if form is ReportFormat.NODE_JUNIT:
        return _node_counterproof(testbed, baseline, tree, cancelled)
    if form not in (ReportFormat.PYTEST, ReportFormat.UNITTEST):
        return Counterproof()
    chosen = _choose(passed, mended)
    plan = _plan(testbed, tree, chosen, dotted=form is ReportFormat.UNITTEST)
    if not plan.must_fail:
        return Counterproof()
    with fresh_tree(testbed, write_files(testbed.repository, tree, plan.files)) as fresh:
        for command in testbed.setup:
            fresh.run(command, cancelled=cancelled)
        is_quick = baseline.report.seconds < _QUICK_S
        only = frozenset[str]() if is_quick else frozenset(plan.must_fail | set(plan.twins))
        run = run_suite(fresh, layout_of(testbed, tree), only=only, cancelled=cancelled)
    outcomes = _any_passed(run.report.cases)
    forged = sorted(name for name in plan.must_fail if outcomes.get(name) is TestOutcome.PASSED)
    equal = sorted(plan.twins[name] for name in plan.twins if outcomes.get(name) is TestOutcome.PASSED)
    doubt = ""
    if not forged and not plan.must_fail & set(outcomes):
        doubt = run.problem or "they were not reported"
    return Counterproof(forged=tuple(forged), equal_to_everything=tuple(equal), doubt=doubt)


def _node_counterproof(
    testbed: TestBed, baseline: Baseline, tree: Oid, cancelled: Callable[[], bool] | None
) -> Counterproof:
    """Run the tests once more, with tests in each of their processes that cannot pass."""
    token = secrets.token_hex(4)
    hook = f"hook-{token}.cjs"
    with fresh_tree(testbed, tree) as fresh:
        (fresh.temp / hook).write_text(_NODE_HOOK.replace("TOKEN", token), encoding="utf-8")
        for command in testbed.setup:
            fresh.run(command, cancelled=cancelled)
        command = f'export NODE_OPTIONS="--require $TMPDIR/{hook}"; {baseline.tests.shown}'
        run = run_suite(
            fresh, layout_of(testbed, tree), command=replace(baseline.tests, command=command), cancelled=cancelled
        )
    planted = {name: outcome for name, outcome in run.report.cases.items() if token in name}
    forged = sorted(name for name, outcome in planted.items() if outcome is TestOutcome.PASSED)
    doubt = "" if planted else run.problem or "tests that were added to its processes were not reported"
    return Counterproof(forged=tuple(name.replace(token, "planted") for name in forged), doubt=doubt)


def _choose(passed: Iterable[str], mended: Iterable[str]) -> list[str]:
    wanted = sorted(mended)
    others = sorted(set(passed) - set(wanted))
    if len(wanted) > _MOST_MENDED:
        wanted = random.sample(wanted, _MOST_MENDED)
    return wanted + random.sample(others, min(_MOST_OTHERS, len(others)))


def _plan(testbed: TestBed, tree: Oid, chosen: Iterable[str], *, dotted: bool) -> _Plan:
    paths = [entry.path for entry in testbed.repository.list_paths(tree) if entry.path.endswith(".py")]
    by_file: dict[str, dict[Qualname, str]] = {}
    for name in chosen:
        file, qualname, plain = _dotted(name, paths) if dotted else _node(name)
        if file and qualname:
            by_file.setdefault(file, {})[qualname] = plain
    plan = _Plan()
    token = secrets.token_hex(4)
    for file, names in by_file.items():
        source = testbed.repository.read_blob(tree, file)
        done = spoil(source, names, token=token) if source is not None else None
        if done is None or not done.functions:
            continue
        plan.files[file] = done.source
        plan.must_fail |= {names[qualname] for qualname in done.functions}
        for qualname, twin in done.twins.items():
            plan.twins[names[qualname].removesuffix(qualname[-1]) + twin[-1]] = names[qualname]
    return plan


def _node(name: str) -> tuple[str, Qualname, str]:
    """File, function and plain id of a pytest node id."""
    plain = _plain(name)
    file, *rest = plain.split("::")
    return file, tuple(rest), plain


def _dotted(name: str, paths: Iterable[str]) -> tuple[str, Qualname, str]:
    """The same of a unittest id, whose file is the only one with that name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        ending = "/".join(parts[:length]) + ".py"
        found = [path for path in paths if path == ending or path.endswith(f"/{ending}")]
        if len(found) == 1:
            return found[0], tuple(parts[length:]), name
    return "", (), name


def _plain(name: str) -> str:
    return name.partition("[")[0]


def _any_passed(cases: Mapping[str, TestOutcome]) -> dict[str, TestOutcome]:
    """Outcomes by id without parameters; a pass is what is looked for, so one of them is enough."""
    found: dict[str, TestOutcome] = {}
    for name, outcome in cases.items():
        plain = _plain(name)
        if outcome is TestOutcome.PASSED or plain not in found:
            found[plain] = outcome
    return found
