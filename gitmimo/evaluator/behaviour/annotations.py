"""Inputs for functions that nothing calls: Hypothesis draws them from the parameters' annotations."""

import ast
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import Value

_DRAWN = 40
_PLAIN: Mapping[str, st.SearchStrategy[Value]] = {
    "int": st.integers(-1000, 1000),
    "float": st.floats(-1e6, 1e6, allow_nan=False),
    "bool": st.booleans(),
    "str": st.text(st.characters(codec="ascii", exclude_categories=["Cc"]) | st.characters(codec="utf-8"), max_size=12),
    "bytes": st.binary(max_size=12).map(lambda raw: {"$": "bytes", "hex": raw.hex()}),
    "None": st.none(),
}
_LISTS = frozenset({"list", "List", "Sequence", "Iterable", "Collection", "MutableSequence"})
_SETS = frozenset({"set", "Set", "frozenset", "FrozenSet", "AbstractSet"})
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})


def calls_from_annotations(path: str, module: str, source: bytes, names: frozenset[str]) -> tuple[Call, ...]:
    """Calls of these module-level functions of a file; none of one with a parameter that has no plain type.

    Which values are drawn depends on nothing but the annotations.
    """
    found: list[Call] = []
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
            of = f"{module}:{node.name}"
            for args in _draw(node.args):
                step = {"do": "call", "of": of, "args": args, "named": {}}
                found.append(Call(function=f"{path}::{node.name}", steps=(step,)))
    return tuple(found)


def strategy_of(annotation: ast.expr | None) -> st.SearchStrategy[Value] | None:
    """What draws values of an annotated type; None for types that are not made of plain ones."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return strategy_of(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return None
    if annotation is None or isinstance(annotation, ast.Constant):
        return st.none() if annotation is not None and annotation.value is None else None
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _either(annotation.left, annotation.right)
    if isinstance(annotation, ast.Subscript):
        return _of_items(_name(annotation.value), annotation.slice)
    name = _name(annotation)
    if name in _LISTS or name in _DICTS:
        return None
    return _PLAIN.get(name)


def _draw(arguments: ast.arguments) -> list[list[Value]]:
    plain = [*arguments.posonlyargs, *arguments.args]
    strategies = [strategy_of(argument.annotation) for argument in plain]
    drawers = [strategy for strategy in strategies if strategy is not None]
    is_whole = len(drawers) == len(strategies) and drawers and not arguments.vararg
    if not is_whole or any(default is None for default in arguments.kw_defaults):
        return []
    drawn: list[list[Value]] = []

    @settings(
        max_examples=_DRAWN,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*drawers))
    def collect(values: tuple[Any, ...]) -> None:
        if list(values) not in drawn:
            drawn.append(list(values))

    try:
        collect()
    except HypothesisException:
        return []
    return drawn


def _either(*annotations: ast.expr) -> st.SearchStrategy[Value] | None:
    found = [strategy_of(each) for each in annotations]
    known = [strategy for strategy in found if strategy is not None]
    return st.one_of(known) if len(known) == len(found) else None


def _of_items(name: str, inner: ast.expr) -> st.SearchStrategy[Value] | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name in ("Optional", "Union"):
        return _either(*parts, *([ast.Constant(None)] if name == "Optional" else []))
    if name in ("tuple", "Tuple") and isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis:
        item = strategy_of(parts[0])
        return st.lists(item, max_size=5).map(_form("tuple")) if item else None
    items = [strategy_of(part) for part in parts]
    known = [item for item in items if item is not None]
    if len(known) != len(items):
        return None
    if name in ("tuple", "Tuple"):
        return st.tuples(*known).map(lambda drawn: {"$": "tuple", "items": list(drawn)})
    if name in _LISTS:
        return st.lists(known[0], max_size=6)
    if name in _SETS:
        return st.lists(known[0], max_size=5, unique_by=repr).map(_form("set"))
    if name in _DICTS and len(known) == 2:
        pairs = st.lists(st.tuples(*known).map(list), max_size=4, unique_by=lambda pair: repr(pair[0]))
        return pairs.map(_form("dict"))
    return None


def _form(name: str) -> Any:
    return lambda items: {"$": name, "items": items}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
