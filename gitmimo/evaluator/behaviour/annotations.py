"""Inputs for functions that nothing calls: Hypothesis draws them from the parameters' annotations."""

import ast
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import Value
from gitmimo.evaluator.python_env import parse_python

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
    for node in parse_python(source).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
            for args in _draw(node.args):
                step = {"do": "call", "of": f"{module}:{node.name}", "args": args, "named": {}}
                found.append(Call(function=f"{path}::{node.name}", steps=(step,)))
    return tuple(found)


def _draw(arguments: ast.arguments) -> list[list[Value]]:
    drawn: list[list[Value]] = []
    if arguments.vararg or any(default is None for default in arguments.kw_defaults):
        return []
    try:
        drawers = [_strategy_of(argument.annotation) for argument in (*arguments.posonlyargs, *arguments.args)]
    except (KeyError, SyntaxError):
        return []

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
        if drawers:
            collect()
    except HypothesisException:
        return []
    return drawn


def _strategy_of(annotation: ast.expr | None) -> st.SearchStrategy[Value]:
    """What draws values of an annotated type; KeyError for types that are not made of plain ones."""
    match annotation:
        case ast.Constant(value=str(text)):
            return _strategy_of(ast.parse(text, mode="eval").body)
        case ast.Constant(value=None):
            return st.none()
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return st.one_of([_strategy_of(left), _strategy_of(right)])
        case ast.Subscript(value=value, slice=ast.Tuple(elts=parts)):
            return _of_items(_name(value), parts)
        case ast.Subscript(value=value, slice=part):
            return _of_items(_name(value), [part])
        case ast.Name() | ast.Attribute():
            return _PLAIN[_name(annotation)]
    raise KeyError(annotation)


def _of_items(name: str, parts: list[ast.expr]) -> st.SearchStrategy[Value]:
    if name in ("tuple", "Tuple") and isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis:
        return st.lists(_strategy_of(parts[0]), max_size=5).map(_form("tuple"))
    items = [_strategy_of(part) for part in parts]
    if name in ("Optional", "Union"):
        return st.one_of([*items, *([st.none()] if name == "Optional" else [])])
    if name in ("tuple", "Tuple"):
        return st.tuples(*items).map(lambda drawn: {"$": "tuple", "items": list(drawn)})
    if name in _LISTS:
        return st.lists(items[0], max_size=6)
    if name in _SETS:
        return st.lists(items[0], max_size=5, unique_by=repr).map(_form("set"))
    if name in _DICTS and len(items) == 2:
        pairs = st.lists(st.tuples(*items).map(list), max_size=4, unique_by=lambda pair: repr(pair[0]))
        return pairs.map(_form("dict"))
    raise KeyError(name)


def _form(name: str) -> Any:
    return lambda items: {"$": name, "items": items}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
