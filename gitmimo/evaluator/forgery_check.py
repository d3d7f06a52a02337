"""The forgery check: tests that a product passes are sabotaged so that they cannot pass, and must then fail.

Product code runs in the process that reports its tests, so code that knows the report can write it. It can't know
which tests must fail this time: they have the names, files and ids of the real ones. Covered: pytest, whatever way the
report was forged, and values that are equal to everything. Not covered: code that compares the text of the test files
with what it remembers of them, code that knows the tests' arguments, in slow suites code that sees that only some
tests are run, other runners. For node, tests that fail are added to each of its processes.
"""

import ast
import contextlib
import copy
import random
import secrets
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.probe import probe_path
from gitmimo.evaluator.python_env import definitions
from gitmimo.evaluator.required_fixes import COLLECTION
from gitmimo.evaluator.testbed import TestBed, beside, fresh_tree, run_suite
from gitmimo.evaluator.testcommand import ReportFormat
from gitmimo.evidence import TestOutcome
from gitmimo.git.trees import write_files
from gitmimo.ids import Oid

Qualname = tuple[str, ...]
_EQUAL_METHODS = frozenset({"assertEqual", "assertEquals", "assertAlmostEqual"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_ALL_FALSE = "_false"  # the end of the names of copies in which no assertion can be met

_MOST_FIXED = 40
_MOST_OTHERS = 8
_QUICK_S = 30.0
"""A suite that takes fewer seconds is checked while it runs, even if the result is not needed then, and runs whole: a
product could recognise a selection by the probe's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeryReport:
    """The result. `forged` are sabotaged tests that were reported as passed."""

    forged: tuple[str, ...] = ()
    equal_to_everything: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()  # fixed tests that pass whatever their assertions demand
    only_under_the_runner: tuple[str, ...] = ()  # fixed tests that fail where the runner doesn't show
    doubt: str = ""  # why the check gave no answer


@contextlib.contextmanager
def prepare_forgery_check(
    testbed: TestBed, baseline: Baseline, tree: Oid, *, functions: frozenset[str] = frozenset()
) -> Iterator[Callable[..., ForgeryReport]]:
    """Yield `check_forgery` for one tree, to call with `passed` and `fixed` once the tests have passed.

    Where the base knows all tests, a quick suite that can run twice at once is checked from now on in a second thread;
    this run is cancelled if nobody asks for it. `functions` are recorded in the run that it checks, so also here: a
    product could tell the two apart.
    """
    check = partial(check_forgery, baseline=baseline, tree=tree, functions=functions)
    is_quick = baseline.report.seconds < _QUICK_S and not testbed.setup
    is_known = not any(name.endswith(COLLECTION) for name in baseline.failed_ids)
    if not (is_quick and is_known and testbed.may_run_together and len(baseline.failed_ids) <= _MOST_FIXED):
        yield partial(check, testbed)
        return
    work = partial(check, passed=baseline.passed_ids, fixed=baseline.failed_ids)
    with beside(testbed, work) as begun:
        yield lambda **_: begun.result()


def check_forgery(
    testbed: TestBed,
    baseline: Baseline,
    tree: Oid,
    *,
    passed: Iterable[str],
    fixed: Iterable[str],
    functions: frozenset[str] = frozenset(),
) -> ForgeryReport:
    """Run the fixed tests, and some of the others that passed, in a fresh tree in which none of them can pass."""
    form = baseline.tests.report
    if form is ReportFormat.NODE_JUNIT:
        return _check_node(testbed, baseline, tree, fixed)
    if form is not ReportFormat.PYTEST:
        return ForgeryReport()
    files, sabotaged = _sabotaged_tests(testbed, tree, passed=passed, fixed=fixed)
    if not sabotaged:
        return ForgeryReport()
    must_fail, copies = set(sabotaged), {copied: name for name, copied in sabotaged.items() if copied}
    with fresh_tree(testbed, write_files(testbed.repository, tree, files), setup=testbed.setup) as fresh:
        only = () if baseline.report.seconds < _QUICK_S else must_fail | set(copies)
        run = run_suite(fresh, only=only, functions=functions)
    # ids without their parameters; a pass is what is looked for, so one set of parameters is enough
    ran, passing, failing = (
        set(map(_plain, ids)) for ids in (run.report.cases, run.report.passed_ids, run.report.failed_ids)
    )
    unmet = {name for name in copies if name.endswith(_ALL_FALSE)}
    without_effect = {copies[name] for name in unmet & passing - failing} & set(map(_plain, fixed))
    return ForgeryReport(
        forged=tuple(sorted(must_fail & passing)),
        equal_to_everything=tuple(sorted(copies[name] for name in (copies.keys() - unmet) & passing)),
        without_effect=tuple(sorted(without_effect)),
        doubt="" if must_fail & ran else run.problem or "they were not reported",
    )


def _check_node(testbed: TestBed, baseline: Baseline, tree: Oid, fixed: Iterable[str]) -> ForgeryReport:
    """Run the tests once more, with tests in each of their processes that cannot pass, and no sign of the runner."""
    token = secrets.token_hex(4)
    hook = f"hook-{token}.cjs"
    with fresh_tree(testbed, tree, setup=testbed.setup) as fresh:
        source = probe_path("node_hook.cjs").read_text(encoding="utf-8")
        (fresh.temp / hook).write_text(source.replace("TOKEN", token), encoding="utf-8")
        command = f'export NODE_OPTIONS="--require $TMPDIR/{hook}"; {baseline.tests.shown}'
        run = run_suite(fresh, command=replace(baseline.tests, command=command))
    planted = {name: outcome for name, outcome in run.report.cases.items() if token in name}
    forged = sorted(name for name, outcome in planted.items() if outcome is TestOutcome.PASSED)
    doubt = "" if planted else run.problem or "tests that were added to its processes were not reported"
    return ForgeryReport(
        forged=tuple(name.replace(token, "planted") for name in forged),
        only_under_the_runner=tuple(sorted(set(fixed) & set(run.report.failed_ids))),
        doubt=doubt,
    )


def _sabotaged_tests(
    testbed: TestBed, tree: Oid, *, passed: Iterable[str], fixed: Iterable[str]
) -> tuple[dict[str, bytes | None], dict[str, str]]:
    """New contents of test files, and the ids without parameters of tests that cannot pass in them.

    Each test has the id of a copy beside it, or nothing.
    """
    wanted = sorted(fixed)
    others = sorted(set(passed) - set(wanted))
    wanted = random.sample(wanted, min(_MOST_FIXED, len(wanted)))
    by_file: dict[str, set[Qualname]] = {}
    for name in map(_plain, [*wanted, *random.sample(others, min(_MOST_OTHERS, len(others)))]):
        file, *inner = name.split("::")
        by_file.setdefault(file, set()).add(tuple(inner))
    files: dict[str, bytes | None] = {}
    tests: dict[str, str] = {}
    token = secrets.token_hex(4)
    for file, functions in by_file.items():
        text, copies = sabotage(testbed.repository.read_blob(tree, file) or b"", functions, token=token)
        if copies:
            files[file] = text
        for (*around, name), copied in copies.items():
            tests["::".join((file, *around, name))] = "::".join((file, *around, copied)) if copied else ""
    return files, tests


def _plain(name: str) -> str:
    return name.partition("[")[0]


def sabotage(source: bytes, functions: Iterable[Qualname], *, token: str) -> tuple[bytes, dict[Qualname, str]]:
    """Put a false assertion before the first line of each function, and a copy after it where it compares values.

    Returns the new text, and the functions that must fail now with the names of their copies, empty without one. A
    copy is the test as it was, but for what values are compared with: a new object, which nothing honest is equal to.
    Where it compares in blocks and inner functions only, no assertion can be met in the copy. `token` makes its name.
    Functions that are not in this file (inherited, generated) are left out, and so is everything when the file can't
    be read as UTF-8 or as Python.
    """
    try:
        source.decode("utf-8")
        known = definitions(ast.parse(source))
        found = {tuple(name.split(".")): node for name, node in known if isinstance(node, _Function)}
        wanted = sorted(set(functions) & set(found), key=lambda name: found[name].lineno, reverse=True)
        lines, copies = source.splitlines(keepends=True), dict.fromkeys(wanted, "")
        for name in wanted:
            if copied := _unequal_copy(found[name], token) or _unmet_copy(found[name], token):
                copies[name] = copied.name
                _insert_after(lines, found[name], copied)
            _insert_before_body(lines, found[name])
        ast.parse(b"".join(lines))
    except (ValueError, SyntaxError):
        return source, {}
    return b"".join(lines), copies


def _insert_before_body(lines: list[bytes], function: _Function) -> None:
    first = function.body[0]
    decorators = first.decorator_list if isinstance(first, (_Function | ast.ClassDef)) else []
    at = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    before, after = lines[at][: first.col_offset], lines[at][first.col_offset :]
    false = _false_assertion()
    if before.strip():
        lines[at] = before + false + b"; " + after
    else:
        lines.insert(at, before + false + b"\n")


def _false_assertion() -> bytes:
    """Another one each time, so that it is nothing to look for."""
    a, b = random.randint(2, 99), random.randint(2, 99)  # noqa: S311
    return f"assert {a} * {b} == {a * b + random.randint(1, 99)}".encode()  # noqa: S311


def _insert_after(lines: list[bytes], function: _Function, copied: ast.stmt) -> None:
    end = function.end_lineno or function.lineno
    text = textwrap.indent(ast.unparse(copied), " " * function.col_offset)
    if not lines[end - 1].endswith((b"\n", b"\r")):
        lines[end - 1] += b"\n"
    lines.insert(end, f"\n{text}\n".encode())


def _unequal_copy(function: _Function, token: str) -> _Function | None:
    """The function with every comparison at its top level made false; None where there is none that is always met."""
    copied = copy.deepcopy(function)
    changed = False
    for statement in copied.body:
        if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.Return, ast.Raise, ast.With)):
            break
        changed |= _compare_with_new_object(statement)
    copied.name = f"{function.name}_{token}"
    return copied if changed else None


def _unmet_copy(function: _Function, token: str) -> _Function | None:
    """The function with every assertion in it made false; None where it has none, or waits for one to fail."""
    copied = copy.deepcopy(function)
    change = _MakeFalse()
    change.visit(copied)
    copied.name = f"{function.name}_{token}{_ALL_FALSE}"
    return copied if change.count and "AssertionError" not in ast.unparse(function) else None


class _MakeFalse(ast.NodeTransformer):
    """Replaces assertions, also unittest's, by ones that are not met, and counts them."""

    count = 0

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:  # noqa: N802
        self.count += 1
        return ast.parse(_false_assertion()).body[0]

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:  # noqa: N802
        call = node.value.func if isinstance(node.value, ast.Call) else None
        is_assertion = isinstance(call, ast.Attribute) and call.attr.startswith("assert")
        return self.visit_Assert(ast.Assert(test=node.value)) if is_assertion else node


def _compare_with_new_object(statement: ast.stmt) -> bool:
    new = ast.parse("object()", mode="eval").body
    if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
        test = statement.test
        if len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
            if _is_literal(test.left):
                test.left = new
            else:
                test.comparators = [new]
            return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if isinstance(call.func, ast.Attribute) and call.func.attr in _EQUAL_METHODS and len(call.args) >= 2:
            call.args[0 if _is_literal(call.args[0]) else 1] = new
            return True
    return False


def _is_literal(node: ast.expr) -> bool:
    with contextlib.suppress(ValueError, TypeError):
        ast.literal_eval(node)
        return True
    return False
