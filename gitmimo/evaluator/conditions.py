"""Conditions in changed lines of Python, and the outcomes of each that no test has seen. Pure.

A condition is what an `if`, a loop, a comprehension or a guard asks, each part of `and` and `or` for itself, and every
comparison. The base's conditions don't count where they stand elsewhere now, nor do those of `assert`. Where a limit is
a number that no test has, tests don't lie near it, and another limit would please them as well.
"""

import ast
from collections.abc import Collection, Iterable, Iterator

from gitmimo.evaluator.python_env import parse_python

_SHOWN = 60
_PLAIN = 2  # numbers up to it are in most code


def outcomes_of_changed(before: bytes, after: bytes, lines: Collection[int]) -> Iterator[str]:
    """Both outcomes of each new condition in these lines, as `line:column-line:column true` and `... false`."""
    known = {ast.unparse(node) for node in _conditions(parse_python(before))}
    for node in _conditions(parse_python(after)):
        if node.lineno in lines and ast.unparse(node) not in known:
            place = f"{node.lineno}:{node.col_offset}-{node.end_lineno}:{node.end_col_offset}"
            yield from (f"{place} true", f"{place} false")


def describe_one_sided(source: bytes, missing: Iterable[str]) -> Iterator[str]:
    """`line (condition is never true)` where one outcome is missing; of a condition without any, nothing is known."""
    left: dict[str, set[str]] = {}
    for point in missing:
        place, _, outcome = point.partition(" ")
        left.setdefault(place, set()).add(outcome)
    for node in _conditions(parse_python(source)):
        place = f"{node.lineno}:{node.col_offset}-{node.end_lineno}:{node.end_col_offset}"
        if len(outcomes := left.pop(place, set())) == 1:
            yield f"{node.lineno} (`{ast.unparse(node)[:_SHOWN]}` is never {outcomes.pop()})"


def unknown_limits(source: bytes, lines: Collection[int], known: Collection[str]) -> Iterator[str]:
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
