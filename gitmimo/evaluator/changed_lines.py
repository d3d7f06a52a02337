"""Which changed lines and conditions of Python no test ran or saw, and which limits in them no test names.

A condition is what an `if`, a loop, a comprehension or a guard asks, each part of `and` and `or` for itself, and every
comparison. The base's conditions don't count where they stand elsewhere now, nor do those of `assert`. Where a limit is
a number that no test has, tests don't lie near it, and another limit would please them as well.
"""

import ast
import re
import types
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby

from gitmimo.evaluator.python_env import parse_python
from gitmimo.files import is_test_path
from gitmimo.git.diff import added_lines
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid

Points = Mapping[str, frozenset[str]]
"""By path: numbers of lines, and outcomes of conditions as `outcomes_of_changed` writes them."""

_NOT_COVERED = b"pragma: no cover"
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_MOST_TESTS = 5_000
_SHOWN = 60
_PLAIN = 2  # numbers up to it are in most code


def runnable_changes(repository: Repository, base: Oid, product: Oid) -> Points:
    """Added lines with code on them, and outcomes of their conditions; files that can't be compiled have none."""
    found = {}
    for path, numbers in _added_python(repository, base, product).items():
        source = repository.read_blob(product, path) or b""
        if runnable := numbers & set(_lines_of_code(source, path)):
            outcomes = outcomes_of_changed(repository.read_blob(base, path) or b"", source, numbers)
            found[path] = frozenset((*map(str, runnable), *outcomes))
    return found


def unnamed_limits(repository: Repository, base: Oid, product: Oid) -> tuple[str, ...]:
    """Limits in added lines, as `path:line (...)`, whose number is in no test, nor in the base's file."""
    found: list[str] = []
    tests = [entry.path for entry in repository.list_paths(product) if is_test_path(entry.path)][:_MOST_TESTS]
    numbers = {number for path in tests for number in _NUMBER.findall(repository.read_blob(product, path) or b"")}
    for path, lines in sorted(_added_python(repository, base, product).items()):
        known = numbers.union(_NUMBER.findall(repository.read_blob(base, path) or b""))
        limits = _unknown_limits(repository.read_blob(product, path) or b"", lines, {n.decode() for n in known})
        found += [f"{path}:{limit}" for limit in limits]
    return tuple(found)


def _added_python(repository: Repository, base: Oid, product: Oid) -> dict[str, set[int]]:
    added: dict[str, set[int]] = {}
    for line in added_lines(repository, base, product):
        if line.path.endswith(".py") and not is_test_path(line.path) and _NOT_COVERED not in line.text:
            added.setdefault(line.path, set()).add(line.number)
    return added


def not_run(changed: Points, ran: Points) -> Points:
    """The changed lines that no test ran, and outcomes that no test saw."""
    return {path: left for path, points in changed.items() if (left := points - ran.get(path, frozenset()))}


def describe_points(points: Points, read: Callable[[str], bytes | None]) -> tuple[str, ...]:
    """Each run of lines as `path:first-last`; then conditions that were true, or false, whenever they were asked."""
    found = []
    for path, of_path in sorted(points.items()):
        numbers = sorted(int(point) for point in of_path if point.isdecimal())
        for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
            first, *rest = [number for _, number in run]
            found.append(f"{path}:{first}-{rest[-1]}" if rest else f"{path}:{first}")
        outcomes = (point for point in of_path if not point.isdecimal())
        found += [f"{path}:{text}" for text in _describe_one_sided(read(path) or b"", outcomes)]
    return tuple(found)


def _lines_of_code(source: bytes, path: str) -> Iterator[int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = [compile(source, path, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return
    while left:
        code = left.pop()
        left += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        yield from (line for _, _, line in code.co_lines() if line)


# --- conditions and limits --------------------------------------------------------------------------------------------


def outcomes_of_changed(before: bytes, after: bytes, lines: Collection[int]) -> Iterator[str]:
    """Both outcomes of each new condition in these lines, as `line:column-line:column true` and `... false`."""
    known = {ast.unparse(node) for node in _conditions(parse_python(before))}
    for node in _conditions(parse_python(after)):
        if node.lineno in lines and ast.unparse(node) not in known:
            yield from (f"{_place(node)} true", f"{_place(node)} false")


def _place(node: ast.expr) -> str:
    return f"{node.lineno}:{node.col_offset}-{node.end_lineno}:{node.end_col_offset}"


def _describe_one_sided(source: bytes, missing: Iterable[str]) -> Iterator[str]:
    """`line (condition is never true)` where one outcome is missing; of a condition without any, nothing is known."""
    left: dict[str, set[str]] = {}
    for point in missing:
        place, _, outcome = point.partition(" ")
        left.setdefault(place, set()).add(outcome)
    for node in _conditions(parse_python(source)):
        if len(outcomes := left.pop(_place(node), set())) == 1:
            yield f"{node.lineno} (`{ast.unparse(node)[:_SHOWN]}` is never {outcomes.pop()})"


def _unknown_limits(source: bytes, lines: Collection[int], known: Collection[str]) -> Iterator[str]:
    """`line (code: no test names number)` for limits in these lines, of comparisons and slices, that are not known."""
    for node in ast.walk(parse_python(source)):
        if isinstance(node, (ast.Compare, ast.Slice)) and node.lineno in lines:
            for number in _limits(node):
                if abs(number) > _PLAIN and str(abs(number)) not in known:
                    yield f"{node.lineno} (`{ast.unparse(node)[:_SHOWN]}`: no test names {number})"


def _limits(node: ast.Compare | ast.Slice) -> Iterator[int | float]:
    if isinstance(node, ast.Slice):
        parts: list[ast.expr | None] = [node.lower, node.upper]
    else:
        is_order = any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in node.ops)
        parts = [node.left, *node.comparators] if is_order else []
    for part in parts:
        part = part.operand if isinstance(part, ast.UnaryOp) else part
        if isinstance(part, ast.Constant) and isinstance(part.value, (int, float)):
            yield part.value


def _conditions(tree: ast.AST) -> Iterator[ast.expr]:
    apart = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Assert) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) not in apart:
            yield from (part for part in _parts(node) if "__name__" not in ast.unparse(part))


def _parts(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield node
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.match_case(guard=ast.expr() as test):
            yield from _leaves(test)
        case ast.comprehension(ifs=tests):
            yield from (leaf for test in tests for leaf in _leaves(test))


def _leaves(test: ast.expr) -> Iterator[ast.expr]:
    match test:
        case ast.BoolOp(values=values):
            yield from (leaf for value in values for leaf in _leaves(value))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _leaves(operand)
        case ast.Compare() | ast.Constant():  # a comparison is found by itself
            return
        case _:
            yield test
