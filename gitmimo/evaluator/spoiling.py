"""Python tests rewritten so that they cannot pass, under the same names and in the same files. Pure."""

import ast
import copy
import random
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Qualname = tuple[str, ...]
_EQUAL_METHODS = frozenset({"assertEqual", "assertEquals"})
_ANY_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """A test file's new text, the functions that must fail now, and new ones beside them by the function they copy."""

    source: bytes
    functions: frozenset[Qualname]
    twins: dict[Qualname, Qualname]


def spoil(source: bytes, functions: Iterable[Qualname], *, token: str) -> Spoiled:
    """Put a false assertion before the first line of each function, and a twin after it where it compares values.

    A twin is the test as it was, but for what values are compared with: a new object, which nothing honest is equal
    to. `token` makes its name. Functions that are not in this file (inherited, generated) are left out, and so is
    everything when the file can't be read as UTF-8 or as Python.
    """
    nothing = Spoiled(source=source, functions=frozenset(), twins={})
    try:
        source.decode("utf-8")
        found = dict(_functions(ast.parse(source), ()))
    except (ValueError, SyntaxError):
        return nothing
    wanted = sorted(set(functions) & set(found), key=lambda name: found[name].lineno, reverse=True)
    lines = source.splitlines(keepends=True)
    twins: dict[Qualname, Qualname] = {}
    for name in wanted:
        if twin := _twin(found[name], token):
            twins[name] = (*name[:-1], twin.name)
            _insert_after(lines, found[name], twin)
        _insert_before_body(lines, found[name])
    changed = b"".join(lines)
    try:
        ast.parse(changed)
    except (ValueError, SyntaxError):
        return nothing
    return Spoiled(source=changed, functions=frozenset(wanted), twins=twins)


def _functions(
    node: ast.Module | ast.ClassDef, outer: Qualname
) -> Iterator[tuple[Qualname, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in node.body:
        if isinstance(child, _ANY_FUNCTION):
            yield (*outer, child.name), child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, (*outer, child.name))


def _insert_before_body(lines: list[bytes], function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = function.body[0]
    decorators = first.decorator_list if isinstance(first, (*_ANY_FUNCTION, ast.ClassDef)) else []
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


def _insert_after(lines: list[bytes], function: ast.FunctionDef | ast.AsyncFunctionDef, twin: ast.stmt) -> None:
    end = function.end_lineno or function.lineno
    text = textwrap.indent(ast.unparse(twin), " " * function.col_offset)
    if not lines[end - 1].endswith((b"\n", b"\r")):
        lines[end - 1] += b"\n"
    lines.insert(end, f"\n{text}\n".encode())


def _twin(
    function: ast.FunctionDef | ast.AsyncFunctionDef, token: str
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function with every comparison at its top level made false; None where there is none that is always met."""
    twin = copy.deepcopy(function)
    changed = False
    for statement in twin.body:
        if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.Return, ast.Raise, ast.With)):
            break
        changed |= _compare_with_new_object(statement)
    twin.name = f"{function.name}_{token}"
    return twin if changed else None


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
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True
