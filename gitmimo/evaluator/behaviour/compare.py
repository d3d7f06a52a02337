"""Compare what base and products do: record calls, grow more, run all of them on each tree, and count differences."""

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from gitmimo.behaviour import BehaviourReport
from gitmimo.errors import CheckError
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.behaviour.answers import compare_answers, differs, is_by_chance, is_comparable
from gitmimo.evaluator.behaviour.calls import Call, grow, simpler_calls
from gitmimo.evaluator.behaviour.language import Changed, Language, Observation, Recording, Replay
from gitmimo.evaluator.behaviour.python.language import PythonLanguage, attributes_read
from gitmimo.evaluator.behaviour.tally import Compared, make_report
from gitmimo.evaluator.protected import is_test_file
from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.testbed import FreshTree, TestBed, fresh_tree, layout_of
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

LANGUAGES: tuple[Language, ...] = (PythonLanguage(),)
_MOST_SHRUNK = 3  # differences of a product, made simpler
_MOST_SIMPLER = 60  # calls tried for one of them


def compare_behaviour(
    testbed: TestBed,
    baseline: Baseline,
    products: Sequence[Oid],
    *,
    failed: Sequence[Oid] = (),
    fixed_tests: Collection[str] = (),
    seconds: float = 5.0,
    cancelled: Callable[[], bool] | None = None,
) -> BehaviourReport:
    """Run base and products on the same inputs and say where they differ.

    `products` are trees with base's tests and `.mimo/` in place; equal ones count once. `failed` are products that did
    not pass: what they do elsewhere is a second opinion, `agreement_of_failed`. `fixed_tests` are ids of tests that
    fail on base and are to be fixed: what they call is meant to change. Costs one run of the tests, two where there are
    such tests or new functions, and about `seconds` besides; setup commands are run for each tree. Project code runs
    in the test bed's environment only. CheckError if cancelled; everything else that goes wrong is the report's
    `problem`.
    """
    started = time.monotonic()
    base = baseline.tree
    trees = tuple(dict.fromkeys(products))
    others = tuple(dict.fromkeys(tree for tree in failed if tree not in trees))
    testbed = replace(testbed, tests=baseline.tests)
    for language in LANGUAGES:
        changed = _changed(testbed.repository, language, base, trees)
        if changed.functions or changed.added:
            with contextlib.ExitStack() as stack:
                run = _Comparison(
                    testbed, language, base, trees, others, frozenset(fixed_tests), seconds, cancelled, stack
                )
                report = run.report(changed)
            return replace(report, seconds=time.monotonic() - started)
    problem = "no function changed in a language that can be compared"
    return BehaviourReport(base=base, problem=problem, seconds=time.monotonic() - started)


def _changed(repository: Repository, language: Language, base: Oid, trees: Sequence[Oid]) -> Changed:
    """What changed in any of the products."""
    parts = []
    before = {entry.path: entry.oid for entry in repository.list_paths(base)}
    for tree in trees:
        after = {entry.path: entry.oid for entry in repository.list_paths(tree)}
        paths = [
            path
            for path in sorted(before.keys() | after.keys())
            if path.endswith(language.suffixes) and before.get(path) != after.get(path)
        ]
        read = repository.read_blob
        parts.append(language.changed({path: (read(base, path), read(tree, path)) for path in paths}))
    return Changed(
        functions=frozenset(name for part in parts for name in part.functions),
        added=frozenset(name for part in parts for name in part.added),
        constants=tuple(dict.fromkeys(constant for part in parts for constant in part.constants)),
    )


@dataclass(slots=True)
class _Opened:
    """A tree written out, with its layout."""

    fresh: FreshTree
    layout: Layout


@dataclass(slots=True)
class _Comparison:
    """One comparison under way; trees are written when they are first needed and removed with the stack."""

    testbed: TestBed
    language: Language
    base: Oid
    trees: tuple[Oid, ...]
    others: tuple[Oid, ...]
    fixed_tests: frozenset[str]
    seconds: float
    cancelled: Callable[[], bool] | None
    stack: contextlib.ExitStack
    _opened: dict[Oid, _Opened] = field(default_factory=dict)
    _attributes: tuple[str, ...] = ()

    def report(self, changed: Changed) -> BehaviourReport:
        """All steps in order."""
        try:
            seeds = self._record(changed)
            if not seeds:
                unreached = tuple(sorted(changed.functions | changed.added))
                return BehaviourReport(base=self.base, unreached=unreached, problem="nothing calls what changed")
            calls = _without_helpers(grow(seeds, changed.constants))
            self._attributes = self._attributes_read()
            share = self.seconds / 2  # most calls take microseconds: it is for those that don't end
            first, second = self._both(
                lambda: self._replay(self.base, calls, share, seed=0),
                lambda: self._replay(self.base, calls, share, seed=1),
            )
            kept = [
                number
                for number, call in enumerate(calls)
                if _is_stable(first[number], second[number], is_added=call.function in changed.added)
            ]
            compared = Compared(
                calls=tuple(calls[number] for number in kept),
                before=tuple(first[number] for number in kept),
                dropped=len(calls) - len(kept),
            )
            self._answer(compared, share)
            self._shrink(compared, share)
        except CheckError as error:
            if self.cancelled is not None and self.cancelled():
                raise
            return BehaviourReport(base=self.base, problem=f"could not be compared: {error.message}")
        reached = {call.function for call in compared.calls}
        return make_report(
            compared,
            base=self.base,
            trees=self.trees,
            seeds=len(seeds),
            unreached=tuple(sorted(_not_in(changed.functions | changed.added, reached))),
        )

    def _record(self, changed: Changed) -> tuple[Call, ...]:
        """Calls made by tests and examples on base, and on a product: a test that fails on base stops at its first
        wrong answer, and new functions are not there; else invented ones."""
        calls: list[Call] = []
        fixed = set(self.fixed_tests)
        on_product = changed.functions | changed.added
        wanted = [(self.base, changed.functions)] if changed.functions else []
        if on_product and (changed.added or fixed):
            wanted.append((self.trees[0], on_product))
        for (tree, _), told in zip(wanted, self._recordings(wanted), strict=True):
            calls += told.calls
            fixed |= told.failed if tree == self.base else set()
        if on_product and not calls and len(wanted) < 2:
            calls += self._recordings([(self.trees[0], on_product)])[0].calls
        reached = {call.function for call in calls}
        for tree, functions in ((self.base, changed.functions), (self.trees[0], changed.added)):
            left = _not_in(functions, reached)
            if left:
                opened = self._open(tree)
                calls += self.language.invent(opened.fresh, opened.layout, left)
        return _marked(calls, frozenset(fixed))

    def _recordings(self, wanted: Sequence[tuple[Oid, frozenset[str]]]) -> list[Recording]:
        """What the tests call on each tree; at once where two runs can't meet."""
        opened = [self._open(tree) for tree, _ in wanted]
        runs = [
            partial(self.language.record, place.fresh, place.layout, functions, self.cancelled)
            for place, (_, functions) in zip(opened, wanted, strict=True)
        ]
        if len(runs) < 2 or not self.testbed.may_run_together:
            return [run() for run in runs]
        with ThreadPoolExecutor(max_workers=len(runs), thread_name_prefix="behaviour") as pool:
            return [begun.result() for begun in [pool.submit(run) for run in runs]]

    def _answer(self, compared: Compared, share: float) -> None:
        """Run the calls on each product, and where it differs once more: chance must not count as a difference."""
        for tree in self.trees:
            answers = list(self._replay(tree, compared.calls, share, seed=0))
            apart = [n for n, answer in enumerate(answers) if differs(compared.before[n], answer)]
            if apart:
                again = self._replay(tree, [compared.calls[n] for n in apart], share, seed=1)
                for number, second in zip(apart, again, strict=True):
                    if differs(answers[number], second):
                        answers[number] = {"steps": [{"error": "(differs from run to run)"}]}
            compared.answers[tree] = tuple(answers)
        for tree in self.others:
            compared.answers[tree] = self._replay(tree, compared.calls, share, seed=0)

    def _shrink(self, compared: Compared, share: float) -> None:
        """Look for simpler calls with the same kind of difference, for the few that will be shown."""
        for tree in self.trees:
            tried: list[tuple[int, Call]] = []
            variants = [number for number in compared.telling(tree) if compared.calls[number].is_variant]
            for number in variants[:_MOST_SHRUNK]:
                tried += [(number, call) for call in list(simpler_calls(compared.calls[number]))[:_MOST_SIMPLER]]
            if not tried:
                continue
            calls = [call for _, call in tried]
            before = self._replay(self.base, calls, share, seed=0)
            after = self._replay(tree, calls, share, seed=0)
            for (number, call), old, new in zip(tried, before, after, strict=True):
                wanted = compare_answers(compared.before[number], compared.answers[tree][number])
                found = compare_answers(old, new) if is_comparable(old) and is_comparable(new) else None
                if found is not None and wanted is not None and found.kind is wanted.kind:
                    compared.note_simpler(tree, number, call, found)

    def _replay(self, tree: Oid, calls: Sequence[Call], seconds: float, *, seed: int) -> tuple[Observation, ...]:
        opened = self._open(tree)
        how = Replay(seconds=seconds, seed=seed, attributes=self._attributes)
        return self.language.replay(opened.fresh, opened.layout, calls, how, self.cancelled)

    def _both(self, *runs: Callable[[], tuple[Observation, ...]]) -> list[tuple[Observation, ...]]:
        self._open(self.base)
        if not self.testbed.may_run_together:
            return [run() for run in runs]
        with ThreadPoolExecutor(max_workers=len(runs), thread_name_prefix="behaviour") as pool:
            return [begun.result() for begun in [pool.submit(run) for run in runs]]

    def _open(self, tree: Oid) -> _Opened:
        if tree not in self._opened:
            fresh = self.stack.enter_context(fresh_tree(self.testbed, tree))
            for command in self.testbed.setup:
                fresh.run(command, cancelled=self.cancelled)
            self._opened[tree] = _Opened(fresh, layout_of(self.testbed, tree))
        return self._opened[tree]

    def _attributes_read(self) -> tuple[str, ...]:
        paths = [entry.path for entry in self.testbed.repository.list_paths(self.base)]
        tests = [path for path in paths if is_test_file(path) and path.endswith(self.language.suffixes)]
        return attributes_read([self.testbed.repository.read_blob(self.base, path) or b"" for path in tests[:200]])


def _not_in(functions: frozenset[str], reached: Collection[str]) -> frozenset[str]:
    """Functions that are not among these, nor methods of classes among these."""
    return frozenset(name for name in functions if name not in reached and name.rpartition(".")[0] not in reached)


def _marked(calls: Sequence[Call], fixed: frozenset[str]) -> tuple[Call, ...]:
    """Each different call once, and whether a test that is to be fixed makes it, and no other."""
    found: dict[str, Call] = {}
    for call in calls:
        call = replace(call, is_near_fixed=call.test in fixed)
        known = found.get(call.key)
        if known is None or (known.is_near_fixed and not call.is_near_fixed):
            found[call.key] = call
    return tuple(found.values())


def _without_helpers(calls: Sequence[Call]) -> tuple[Call, ...]:
    """Without calls of private functions in files of which a public function is called: what they do shows there."""

    def is_private(function: str) -> bool:
        name = function.rpartition("::")[2]
        return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))

    public = {call.function.partition("::")[0] for call in calls if not is_private(call.function) and call.is_direct}
    kept = [c for c in calls if not is_private(c.function) or c.function.partition("::")[0] not in public]
    return tuple(kept)


def _is_stable(first: Observation, second: Observation, *, is_added: bool) -> bool:
    """Whether two runs of one tree say the same, without chance; what is not there on base can be compared anyway."""
    if is_added:
        return True
    by_chance = is_by_chance(first) or is_by_chance(second)
    return is_comparable(first) and is_comparable(second) and not by_chance and not differs(first, second)
