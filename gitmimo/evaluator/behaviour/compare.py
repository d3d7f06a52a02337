"""Compare what base and products do: record calls, grow more, run all of them on each tree, and count differences."""

import contextlib
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from gitmimo.behaviour import BehaviourReport
from gitmimo.errors import CheckError
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.behaviour.answers import Observation, compare_answers, differs, is_by_chance, is_comparable
from gitmimo.evaluator.behaviour.calls import Call, grow, simpler_calls
from gitmimo.evaluator.behaviour.changed import ChangedFunctions, changed_in_trees, group_by_code
from gitmimo.evaluator.behaviour.runs import attributes_read, invent_calls, record_calls, replay_calls
from gitmimo.evaluator.behaviour.tally import Compared, make_report
from gitmimo.evaluator.python_env import definitions, parse_python
from gitmimo.evaluator.recorder import Recording
from gitmimo.evaluator.testbed import FreshTree, TestBed, fresh_tree
from gitmimo.files import is_test_path
from gitmimo.ids import Oid

_MOST_SHRUNK = 3  # differences of a product, made simpler
_MOST_SIMPLER = 60  # calls tried for one of them
T = TypeVar("T")


def compare_behaviour(
    testbed: TestBed,
    baseline: Baseline,
    products: Sequence[Oid],
    *,
    failed: Sequence[Oid] = (),
    fixed_tests: Collection[str] = (),
    seconds: float = 5.0,
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
    base, trees = baseline.tree, tuple(dict.fromkeys(products))
    changed = changed_in_trees(testbed.repository, base, trees)
    if not changed.existing and not changed.added:
        report = BehaviourReport(base=base, problem="no function changed in a language that can be compared")
    else:
        with contextlib.ExitStack() as stack:
            comparison = _Comparison(
                testbed=replace(testbed, tests=baseline.tests),
                base=base,
                trees=trees,
                others=tuple(dict.fromkeys(tree for tree in failed if tree not in trees)),
                fixed_tests=frozenset(fixed_tests),
                passed_tests=baseline.passed_ids,
                share_s=seconds / 2,  # most calls take microseconds: it is for those that don't end
                stack=stack,
            )
            report = comparison.report(changed)
    if not report.groups:
        report = replace(report, groups=group_by_code(testbed.repository, base, trees))
    return replace(report, seconds=time.monotonic() - started)


@dataclass(slots=True, kw_only=True)
class _Comparison:
    """One comparison under way; trees are written when they are first needed and removed with the stack."""

    testbed: TestBed
    base: Oid
    trees: tuple[Oid, ...]
    others: tuple[Oid, ...]
    fixed_tests: frozenset[str]
    passed_tests: frozenset[str]  # on base
    share_s: float  # for one run of all calls
    stack: contextlib.ExitStack
    _written: dict[Oid, FreshTree] = field(default_factory=dict)
    _attributes: tuple[str, ...] = ()
    _passing_on_base: frozenset[str] = frozenset()

    def report(self, changed: ChangedFunctions) -> BehaviourReport:
        """All steps in order."""
        try:
            seeds = self._record(changed)
            if not seeds:
                unreached = tuple(sorted(changed.existing | changed.added))
                problem = "no call of what changed could be recorded"
                return BehaviourReport(base=self.base, unreached=unreached, problem=problem)
            calls = _without_helpers(grow(seeds, changed.constants))
            self._attributes = self._attributes_read()
            self._write(self.base)
            first, second = self._all([partial(self._replay, self.base, calls, seed=seed) for seed in (0, 1)])
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
            self._answer(compared)
            self._shrink(compared)
        except CheckError as error:
            if self.testbed.cancelled():
                raise
            return BehaviourReport(base=self.base, problem=f"could not be compared: {error.message}")
        reached = {call.function for call in compared.calls}
        found = make_report(
            compared,
            base=self.base,
            trees=self.trees,
            seeds=len(seeds),
            unreached=tuple(sorted(_not_in(changed.existing | changed.added, reached))),
        )
        return replace(found, passing_on_base=tuple(sorted(self._passing_on_base)))

    def _record(self, changed: ChangedFunctions) -> tuple[Call, ...]:
        """Calls made by tests and examples on base and on products; else invented ones.

        A test that fails on base stops at its first wrong answer, so products are recorded too, in the runs that judged
        them. Then only the fixed tests run on base, and tests that name what changed and of which no call was noted: a
        product can't hide what it is called with. A product that was not recorded yet runs the fixed tests, or all
        where there are new functions, and base all.
        """
        fixed, recorded = set(self.fixed_tests), self.testbed.recorded
        on_product = changed.existing | changed.added
        is_noted = all(tree in recorded for tree in self.trees)
        calls = [call for tree in self.trees for call in recorded.get(tree, ())]
        on_base = {*fixed, *unexplained_tests(self._sources_of_tests(), on_product, calls)} if is_noted else None
        wanted = [(self.base, changed.existing, on_base)] if changed.existing else []
        if changed.added or (fixed and not is_noted):
            of_product = set() if is_noted else (None if changed.added else fixed)  # examples run always
            wanted.append((self.trees[0], on_product, of_product))
        runs = [self._recording(tree, functions, only) for tree, functions, only in wanted]
        for (tree, *_), found in zip(wanted, self._all(runs), strict=True):
            calls += found.calls
            if tree == self.base:
                self._passing_on_base = found.passed_tests & self.fixed_tests
                fixed |= found.failed_examples
        if on_product and not calls and len(wanted) < 2:
            calls += record_calls(self._write(self.trees[0]), on_product).calls
        reached = {call.function for call in calls}
        for tree, functions in ((self.base, changed.existing), (self.trees[0], changed.added)):
            if left := _not_in(functions, reached):
                calls += invent_calls(self._write(tree), left)
        return _marked(calls, frozenset(fixed))

    def _recording(self, tree: Oid, functions: frozenset[str], only: set[str] | None) -> Callable[[], Recording]:
        kept = self.testbed.recorded_base.get(functions) if tree == self.base and only is not None else None
        if kept is not None and kept.tests is not None and kept.tests.issuperset(only or ()):
            return lambda: kept
        return partial(record_calls, self._write(tree), functions, only=only)

    def _sources_of_tests(self) -> dict[str, str]:
        """The code of the tests that pass on base, by id without parameters."""
        read = self.testbed.repository.read_blob
        plain = {name.partition("[")[0] for name in self.passed_tests}
        found = {}
        for path in {name.partition("::")[0] for name in plain}:
            source = read(self.base, path) or b""
            lines = source.decode(errors="replace").split("\n")
            for name, node in definitions(parse_python(source)):
                test = f"{path}::{name.replace('.', '::')}"
                if test in plain:
                    found[test] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        return found

    def _answer(self, compared: Compared) -> None:
        """Run the calls on each product."""
        trees = (*self.trees, *self.others)
        for tree in trees:
            self._write(tree)
        runs = [partial(self._replay, tree, compared.calls, seed=0) for tree in trees]
        for tree, found in zip(trees, self._all(runs), strict=True):
            compared.answers[tree] = self._asked_again(tree, compared, found) if tree in self.trees else found

    def _asked_again(self, tree: Oid, compared: Compared, answers: Sequence[Observation]) -> tuple[Observation, ...]:
        """A product's answers without chance: where it differs from base, the calls are run once more.

        The others are run once more too, without those before them: an answer that depends on them is none, unless
        base's does.
        """
        found, before = list(answers), compared.before
        apart = [n for n, answer in enumerate(found) if differs(before[n], answer)]
        same = sorted({*range(len(found))}.difference(apart)) if apart else []
        runs = [
            partial(self._replay, tree, [compared.calls[n] for n in ns], seed=s) for ns, s in ((apart, 1), (same, 0))
        ]
        again, alone = self._all(runs)
        for number, second in zip(apart, again, strict=True):
            if differs(answers[number], second):
                found[number] = {"steps": [{"error": "(differs from run to run)"}]}
        moved = [number for number, second in zip(same, alone, strict=True) if differs(answers[number], second)]
        on_base = self._replay(self.base, [compared.calls[n] for n in moved], seed=0)
        for number, second in zip(moved, on_base, strict=True):
            if not differs(before[number], second):
                found[number] = {"steps": [{"error": "(depends on the calls before it)"}]}
        return tuple(found)

    def _shrink(self, compared: Compared) -> None:
        """Look for simpler calls with the same kind of difference, for the few that will be shown."""
        for tree in self.trees:
            tried: list[tuple[int, Call]] = []
            variants = [number for number in compared.telling(tree) if compared.calls[number].is_variant]
            for number in variants[:_MOST_SHRUNK]:
                tried += [(number, call) for call in list(simpler_calls(compared.calls[number]))[:_MOST_SIMPLER]]
            if not tried:
                continue
            calls = [call for _, call in tried]
            before, after = self._all([partial(self._replay, at, calls, seed=0) for at in (self.base, tree)])
            for (number, call), old, new in zip(tried, before, after, strict=True):
                wanted = compare_answers(compared.before[number], compared.answers[tree][number])
                found = compare_answers(old, new) if is_comparable(old) and is_comparable(new) else None
                if found is not None and wanted is not None and found.kind is wanted.kind:
                    compared.note_simpler(tree, number, call, found)

    def _replay(self, tree: Oid, calls: Sequence[Call], *, seed: int) -> tuple[Observation, ...]:
        if not calls:
            return ()
        fresh = self._write(tree)
        return replay_calls(fresh, calls, seconds=self.share_s, seed=seed, attributes=self._attributes)

    def _all(self, runs: Sequence[Callable[[], T]]) -> list[T]:
        """What each gives; at once where two runs can't meet."""
        if len(runs) < 2 or not self.testbed.may_run_together:
            return [run() for run in runs]
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="behaviour") as pool:
            return [begun.result() for begun in [pool.submit(run) for run in runs]]

    def _write(self, tree: Oid) -> FreshTree:
        """The tree written out, at the first call."""
        if tree not in self._written:
            self._written[tree] = self.stack.enter_context(fresh_tree(self.testbed, tree, setup=self.testbed.setup))
        return self._written[tree]

    def _attributes_read(self) -> tuple[str, ...]:
        read, paths = self.testbed.repository.read_blob, self.testbed.repository.list_paths(self.base)
        tests = [entry.path for entry in paths if is_test_path(entry.path) and entry.path.endswith(".py")]
        return attributes_read([read(self.base, path) or b"" for path in tests[:200]])


def _not_in(functions: frozenset[str], reached: Collection[str]) -> frozenset[str]:
    """Functions that are not among these, nor methods of classes among these."""
    return frozenset(name for name in functions if name not in reached and name.rpartition(".")[0] not in reached)


def unexplained_tests(sources: Mapping[str, str], functions: Collection[str], calls: Sequence[Call]) -> frozenset[str]:
    """Of these tests, by id, those that name one of the functions, and of which no call of any was noted."""
    parts = [function.rpartition("::")[2].split(".") for function in functions]
    names = {part for qualified in parts for part in qualified[-1:] if not part.startswith("__")}
    names |= {qualified[-2] for qualified in parts if qualified[-1].startswith("__") and len(qualified) > 1}
    seen = {call.test.partition("[")[0] for call in calls}
    return frozenset(
        test for test, source in sources.items() if test not in seen and names & set(re.findall(r"\w+", source))
    )


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
