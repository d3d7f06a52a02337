"""Small edits of Python code on lines that failing tests execute: mutation-based repair.

Each edit replaces one span of the text; layout and comments elsewhere are kept.
"""

import ast
from collections.abc import Iterator, Set

from gitmimo.agent.patch.operators import OPERATORS, guard_clauses
from gitmimo.agent.patch.spans import Edit, Source


def edits_of(path: str, text: str, lines: Set[int]) -> tuple[Edit, ...]:
    """All small edits that touch one of these lines, likelier ones first; none for text that doesn't parse."""
    try:
        source = Source(path, text, lines)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(sorted(_edits(source), key=lambda edit: edit.rank))


def _edits(source: Source) -> Iterator[Edit]:
    """Edits function by function, without those that don't parse or mean what is there or was there before."""
    for function in ast.walk(source.tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or not source.is_near(function):
            continue
        seen = {source.meaning(function), None}
        for edit in _edits_in(source, function):
            meaning = source.meaning(function, edit)
            if meaning not in seen:
                seen.add(meaning)
                yield edit


def _edits_in(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Edit]:
    yield from guard_clauses(source, function)
    names = _names_in(function)
    for node in _own_nodes(function):
        if source.is_near(node):
            for kind in OPERATORS:
                yield from kind(source, node, names)


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Nodes of a function but not of functions inside it, nor its docstring."""
    waiting: list[ast.AST] = [function]
    while waiting:
        node = waiting.pop(0)
        yield node
        for child in ast.iter_child_nodes(node):
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not is_text and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                waiting.append(child)


def _names_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """Arguments and variables of a function, those used most first."""
    counts: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
            counts[node.arg] = counts.get(node.arg, 0) + 1
        elif isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in counts):
            counts[node.id] = counts.get(node.id, 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name]))
