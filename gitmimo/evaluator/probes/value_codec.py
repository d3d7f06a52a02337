"""Python values as JSON from which they can be built again.

Runs inside the sandbox with the project's interpreter, so it must work with Python 3.8 and the standard library. Plain
values stand for themselves; everything else is an object whose key `$` names its form.
"""

from __future__ import annotations

import base64
import copyreg
import dataclasses
import datetime
import enum
import hashlib
import importlib
import io
import marshal
import math
import re
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Walk = tuple[int, dict[int, Any]]  # how deep; by id: number, recipe and object itself, of those met on the way

MOST_DEPTH = 25
MOST_ITEMS = 200
MOST_TEXT = 4000
_SAFE_INT = 1 << 53
_ITERATORS: tuple[type, ...] = tuple(map(type, map(iter, ([], (), "", {}, set(), range(0)))))
_PLAIN: dict[type, Any] = {  # how to read what a subclass of these holds, past what it overrides
    list: list.__iter__,
    dict: dict.items,
    set: set.__iter__,
    tuple: tuple.__iter__,
    frozenset: frozenset.__iter__,
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
}
_MADE: dict[int, Any] = {}  # objects of the value that is being built, by number
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


class NotEncodable(Exception):
    """A value that cannot be built again elsewhere."""


def encode(value: Any, walk: Walk | None = None) -> Any:
    """A recipe from which `decode` builds an equal value. NotEncodable for what has none: files, mocks, generators.

    An object that occurs again, also in itself, is the same one again.
    """
    depth, met = walk or (0, {})
    if depth > MOST_DEPTH:
        raise NotEncodable("too deep")
    kind = type(value)
    if value is None or kind is bool or kind is str:
        if kind is str and len(value) > MOST_TEXT:
            raise NotEncodable("too long")
        return value
    plain = encode_number(value, kind)
    if plain is not None:
        return plain
    deeper = (depth + 1, met)
    if kind in (list, tuple, set, frozenset, dict, bytes, bytearray) or kind in _ITERATORS:
        return _encode_container(value, kind, deeper)
    if issubclass(kind, type) or kind in (types.FunctionType, types.BuiltinFunctionType, types.ModuleType):
        return _encode_reference(value, kind, deeper)
    return _encode_object(value, kind, deeper)


def decode(recipe: Any) -> Any:
    """Build the value of a recipe. Raises whatever its constructors raise."""
    _MADE.clear()
    return _decode(recipe)


def _decode(recipe: Any) -> Any:
    if isinstance(recipe, list):
        return [_decode(item) for item in recipe]
    if not isinstance(recipe, dict):
        return recipe
    form = recipe["$"]
    if form in _BUILDERS:
        return _BUILDERS[form]([_decode(item) for item in recipe["items"]])
    return _DECODERS[form](recipe)


def resolve(name: str) -> Any:
    """What a name like `package.module:Class.method` means."""
    module, _, qualname = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in filter(None, qualname.split(".")):
        found = getattr(found, part)
    return found


def shorten(text: str) -> str:
    """A text without addresses, and where it is long its beginning, its length and a hash."""
    text = ADDRESS.sub("0x", text)
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:200]}... {len(text)} characters {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def encode_number(value: Any, kind: type) -> Any:
    if kind is int:
        if -_SAFE_INT < value < _SAFE_INT:
            return value
        if value.bit_length() > 20000:
            return {"$": "int", "text": "0x" + hashlib.sha256(hex(value).encode()).hexdigest()}
        return {"$": "int", "text": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$": "float", "text": repr(value)}
    if kind is complex:
        return {"$": "complex", "text": repr(value)}
    return None


def _encode_container(value: Any, kind: type, walk: Walk) -> Any:
    if kind in (bytes, bytearray):
        if len(value) > MOST_TEXT:
            raise NotEncodable("too long")
        return {"$": kind.__name__, "hex": bytes(value).hex()}
    if kind in _ITERATORS:
        try:  # the tests' iterator must not be used up
            items = list(value.__reduce__()[1][0])[value.__reduce__()[2] if len(value.__reduce__()) > 2 else 0 :]
        except (TypeError, IndexError) as error:
            raise NotEncodable("an iterator") from error
        return {"$": "iter", "items": [encode(item, walk) for item in _bounded(items)]}
    if kind is dict:
        pairs = [[encode(key, walk), encode(item, walk)] for key, item in _bounded(value.items())]
        return {"$": "dict", "items": pairs}
    items = [encode(item, walk) for item in _bounded(value)]
    return items if kind is list else {"$": kind.__name__, "items": items}


def _bounded(items: Any) -> list[Any]:
    found = list(items)
    if len(found) > MOST_ITEMS:
        raise NotEncodable("too many items")
    return found


def _encode_reference(value: Any, kind: type, walk: Walk) -> Any:
    """Functions, classes and modules by name; functions that have none elsewhere by their code."""
    if kind is types.ModuleType:
        return {"$": "ref", "of": value.__name__ + ":"}
    name = f"{value.__module__}:{value.__qualname__}"
    if is_reachable(name, value):
        return {"$": "ref", "of": name}
    if kind is types.FunctionType:
        return _encode_function(value, walk)
    raise NotEncodable(name)


def is_reachable(name: str, value: Any) -> bool:
    """Whether a name leads to this value in another process too: not what functions hold."""
    if "<" in name or name.partition(":")[0] in ("__main__", ""):
        return False
    try:
        return resolve(name) is value
    except (ImportError, AttributeError, ValueError):
        return False


def _encode_function(value: types.FunctionType, walk: Walk) -> Any:
    code = value.__code__
    cells = [encode(cell.cell_contents, walk) for cell in value.__closure__ or ()]
    used = sorted(_global_names(code) & value.__globals__.keys())
    return {
        "$": "function",
        "code": base64.b64encode(marshal.dumps(code)).decode(),
        "cells": cells,
        "defaults": encode(value.__defaults__ or (), walk),
        "globals": {name: encode(value.__globals__[name], walk) for name in used},
        "shown": value.__name__,
    }


def _global_names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _global_names(constant)
    return found


def _encode_object(value: Any, kind: type, walk: Walk) -> Any:
    met = walk[1]
    if id(value) in met:
        number, known, _ = met[id(value)]
        known["at"] = number
        return {"$": "again", "at": number}
    name = f"{kind.__module__}:{kind.__qualname__}"
    modules = {base.__module__ for base in kind.__mro__}
    if modules & {"unittest.case", "unittest.mock", "threading", "socket"} or not is_reachable(name, kind):
        raise NotEncodable(name)
    if issubclass(kind, enum.Enum):
        return {"$": "ref", "of": f"{name}.{attribute(value, '_name_')}"}
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return {"$": "call", "of": name, "args": [encode(item, walk) for item in tuple.__iter__(value)], "named": {}}
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        named = {field.name: encode(attribute(value, field.name), walk) for field in fields}
        return {"$": "call", "of": name, "args": [], "named": named}
    if kind in (datetime.date, datetime.datetime, datetime.time) and getattr(value, "tzinfo", None) is None:
        parts = ("year month day " if kind is not datetime.time else "") + (
            "hour minute second microsecond" if kind is not datetime.date else ""
        )
        return {"$": "call", "of": name, "args": [getattr(value, part) for part in parts.split()], "named": {}}
    if kind in (io.StringIO, io.BytesIO):
        return {"$": "call", "of": name, "args": [encode(value.getvalue(), walk)], "named": {}}
    if issubclass(kind, BaseException):
        return {"$": "call", "of": name, "args": [encode(item, walk) for item in value.args], "named": {}}
    plain = _plain_base(kind)
    if plain is None:
        return _encode_reduced(value, kind, walk)
    recipe: dict[str, Any] = {"$": "object", "of": name, "fields": {}}
    met[id(value)] = (len(met), recipe, value)
    if plain is not object:
        recipe["plain"] = encode(plain(_PLAIN[plain](value)), walk)
    recipe["fields"].update({key: encode(item, walk) for key, item in fields_of(value, kind).items()})
    return recipe


def _plain_base(kind: type) -> type | None:
    """What a class written in Python stands on: `object` or one of the plain types; None for every other class."""
    built_in = [base for base in kind.__mro__ if not base.__flags__ & (1 << 9) and base is not object]
    if is_of_library(kind) or len(built_in) > 1:
        return None
    if built_in:
        return built_in[0] if built_in[0] in _PLAIN else None
    modules = {base.__module__.partition(".")[0] for base in kind.__mro__[:-1]}
    is_made_plainly = getattr(kind, "__new__", None) is object.__new__ and modules.isdisjoint(sys.builtin_module_names)
    return object if is_made_plainly else None


def is_of_library(kind: type) -> bool:
    file = str(getattr(sys.modules.get(kind.__module__), "__file__", "") or "")
    return not file or "site-packages" in file or file.startswith(str(sys.base_prefix) + "/lib/")


def _encode_reduced(value: Any, kind: type, walk: Walk) -> Any:
    """Types of libraries say themselves how they are made; those of the project are not asked."""
    if not is_of_library(kind):
        raise NotEncodable(kind.__qualname__)
    try:
        known = copyreg.dispatch_table.get(kind)  # of patterns, for example
        parts = (*(known(value) if known else value.__reduce_ex__(2)), None, None, None, None)[:5]
    except Exception as error:  # noqa: BLE001 - a type of somebody else
        raise NotEncodable(kind.__qualname__) from error
    made, args, state, items, pairs = parts
    return {
        "$": "reduced",
        "of": encode(made, walk),
        "args": [encode(item, walk) for item in args],
        "state": encode(state, walk),
        "items": [encode(item, walk) for item in _bounded(items or ())],
        "pairs": [[encode(key, walk), encode(item, walk)] for key, item in _bounded(pairs or ())],
        "shown": ADDRESS.sub("0x", repr(value)[:80]),
    }


def fields_of(value: Any, kind: type) -> dict[str, Any]:
    """The attributes of an instance itself, read past whatever its class puts in the way."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = (
                f"_{base.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            )
            try:
                found[mangled] = object.__getattribute__(value, mangled)
            except AttributeError:
                continue
    found.pop("__dict__", None)
    found.pop("__weakref__", None)
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    return {**found, **(own if type(own) is dict else {})}


def attribute(value: Any, name: str) -> Any:
    try:
        return object.__getattribute__(value, name)
    except AttributeError as error:
        raise NotEncodable(name) from error


def _decode_call(recipe: dict[str, Any]) -> Any:
    named = {key: _decode(item) for key, item in recipe["named"].items()}
    return resolve(recipe["of"])(*(_decode(item) for item in recipe["args"]), **named)


def _decode_object(recipe: dict[str, Any]) -> Any:
    kind, plain = resolve(recipe["of"]), recipe.get("plain")
    base = _plain_base(kind) or object
    is_filled = base in (list, dict, set)
    made = base.__new__(kind, *(() if base is object or is_filled else (_decode(plain),)))
    if "at" in recipe:
        _MADE[recipe["at"]] = made
    if is_filled:
        base.__init__(made, _decode(plain))  # type: ignore[misc]
    for name, item in recipe["fields"].items():
        object.__setattr__(made, name, _decode(item))
    return made


def _decode_function(recipe: dict[str, Any]) -> Any:
    scope = {"__builtins__": __builtins__, "__name__": "tests"}
    scope.update({name: _decode(item) for name, item in recipe["globals"].items()})
    code = marshal.loads(base64.b64decode(recipe["code"]))
    cells = tuple(types.CellType(_decode(item)) for item in recipe["cells"])
    return types.FunctionType(code, scope, recipe["shown"], _decode(recipe["defaults"]), cells or None)


def _decode_reduced(recipe: dict[str, Any]) -> Any:
    made = _decode(recipe["of"])(*(_decode(item) for item in recipe["args"]))
    state = _decode(recipe["state"])
    if state is not None:
        (made.__setstate__ if hasattr(made, "__setstate__") else made.__dict__.update)(state)
    for item in recipe["items"]:
        made.append(_decode(item))
    for key, item in recipe["pairs"]:
        made[_decode(key)] = _decode(item)
    return made


_BUILDERS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset, "iter": iter, "dict": dict}
_DECODERS: dict[str, Any] = {
    "int": lambda recipe: int(recipe["text"], 16),
    "float": lambda recipe: float(recipe["text"]),
    "complex": lambda recipe: complex(recipe["text"]),
    "bytes": lambda recipe: bytes.fromhex(recipe["hex"]),
    "bytearray": lambda recipe: bytearray.fromhex(recipe["hex"]),
    "ref": lambda recipe: resolve(recipe["of"]),
    "call": _decode_call,
    "object": _decode_object,
    "again": lambda recipe: _MADE[recipe["at"]],
    "function": _decode_function,
    "reduced": _decode_reduced,
}
