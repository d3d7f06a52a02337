"""Notes which changed lines a test run runs, and which outcomes of changed conditions it sees.

Changed files are compiled with calls in them that note it, in memory: before each statement on a wanted line, and
around each wanted condition. Other code takes no longer than without. An older Python than 3.8 does not say where an
expression ends: everything counts as seen there, and in files that were loaded before.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset, type(None))  # asking these does nothing


class ChangedCode:
    """`wanted` by file: numbers of lines, and outcomes of conditions; `name` is that of the function in all code."""

    def __init__(self, wanted: dict[str, list[str]], name: str) -> None:
        self._wanted = {file: set(points) for file, points in wanted.items()}
        self._saw: dict[str, set[str]] = {file: set() for file in self._wanted}
        self._name = name

    def watch(self) -> None:
        """Have wanted files compiled with the calls, from now on."""
        if not self._wanted or sys.version_info < (3, 8):
            self._saw = self._wanted
            return
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        for file in {os.path.realpath(file) for file in files if isinstance(file, str)} & self._wanted.keys():
            self._saw[file] = self._wanted[file]
        setattr(builtins, self._name, self._note)
        loader: Any = importlib.machinery.SourceFileLoader
        plain = loader.get_code

        def get_code(loading: Any, fullname: str) -> Any:
            file = os.path.realpath(loading.path)
            if file in self._wanted and type(loading) is loader:
                with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                    noting = _Noting(self._name, file, self._wanted[file])
                    tree = noting.visit(ast.parse(Path(file).read_bytes(), loading.path))
                    self._saw[file].update(map(str, noting.lines))
                    return loading.source_to_code(ast.fix_missing_locations(tree), loading.path)
            return plain(loading, fullname)

        loader.get_code = get_code

    def noted(self) -> dict[str, list[str]] | None:
        """What of the wanted was there, by file; None when nothing was asked for."""
        return {file: sorted(self._saw[file] & points) for file, points in self._wanted.items()} or None

    def _note(self, file: str, place: str, value: Any, plain: Any = _PLAIN) -> Any:
        """While the interpreter ends, when the names of this module are gone, `plain` is still there."""
        if place.endswith(":"):
            self._saw[file].update(place.split(":"))
        elif type(value) in plain:
            self._saw[file].add(f"{place} {'true' if value else 'false'}")
        return value


class _Noting(ast.NodeTransformer):
    """Puts calls before the statements on these lines and around the conditions at these places."""

    def __init__(self, name: str, file: str, wanted: set[str]) -> None:
        self._name = name
        self._file = file
        self.lines = {int(point) for point in wanted if point.isdecimal()}  # left over: on no statement
        self._wanted = frozenset(self.lines)
        self._places = {point.partition(" ")[0] for point in wanted if not point.isdecimal()}

    def visit(self, node: Any) -> Any:
        own = {id(each): self._own_lines(each, node) for part in _bodies(node) for each in part}
        self.lines.difference_update(*own.values())
        self.generic_visit(node)
        for part in _bodies(node):
            part[:] = list(self._with_notes(part, own))
        place = f"{node.lineno}:{node.col_offset}-{node.end_lineno}:{node.end_col_offset}" if _is_value(node) else ""
        if place not in self._places:
            return node
        self._places.discard(place)  # the parser gives some inner expressions the place of an outer one
        return self._call(place, node)

    def _with_notes(self, body: list[Any], own: dict[int, set[int]]) -> Iterator[Any]:
        """Texts and imports that have to come first stay there."""
        waiting: set[int] = set()
        for number, statement in enumerate(body):
            waiting |= own.get(id(statement), set())
            is_text = number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
                yield statement
                continue
            if waiting:
                yield ast.copy_location(ast.Expr(self._call(f"{':'.join(map(str, waiting))}:", statement)), statement)
                waiting = set()
            yield statement
        if waiting:
            yield ast.copy_location(ast.Expr(self._call(f"{':'.join(map(str, waiting))}:", body[-1])), body[-1])

    def _own_lines(self, statement: Any, parent: Any) -> set[int]:
        """The wanted lines of a statement without those of statements in it; with what leads to it from a handler."""
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
        inner = [each.lineno for part in _bodies(statement) for each in part]
        last = max(first, min(inner) - 1 if inner else statement.end_lineno)
        if not isinstance(parent, (ast.stmt, ast.mod)) and statement is parent.body[0]:
            first = getattr(parent, "lineno", 0) or parent.pattern.lineno
        return {line for line in self._wanted if first <= line <= last}

    def _call(self, place: str, node: Any) -> ast.Call:
        value = node if isinstance(node, ast.expr) else ast.Constant(None)
        arguments = [ast.Constant(self._file), ast.Constant(place), value]
        return ast.copy_location(ast.Call(ast.Name(self._name, ast.Load()), arguments, keywords=[]), node)


def _bodies(node: Any) -> list[list[Any]]:
    """The lists of statements directly in a node."""
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [part for part in found if isinstance(part, list) and part and isinstance(part[0], ast.stmt)]


def _is_value(node: ast.AST) -> bool:
    return isinstance(node, ast.expr) and getattr(node, "end_lineno", None) is not None
