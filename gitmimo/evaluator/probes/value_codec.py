"""Python values as JSON from which they can be built again.

Runs inside the sandbox with the project's interpreter, so it must work with Python 3.8 and the standard library. Plain
values stand for themselves; everything else is an object whose key `$` names its form.
"""

from __future__ import annotations

import base64
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
from typing import Any

MOST_ITEMS = 200
MOST_TEXT = 4000
_SAFE_INT = 1 << 53
_ITERATORS: tuple[type, ...] = tuple(map(type, map(iter, ([], (), "", {}, set(), range(0)))))
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


class NotEncodable(Exception):
    """A value that cannot be built again elsewhere."""


def encode(value: Any, depth: int = 0) -> Any:
    """A recipe from which `decode` builds an equal value. NotEncodable for what has none: files, mocks, generators."""
    if depth > 12:
        raise NotEncodable("too deep")
    kind = type(value)
    if value is None or kind is bool or kind is str:
        if kind is str and len(value) > MOST_TEXT:
            raise NotEncodable("too long")
        return value
    plain = encode_number(value, kind)
    if plain is not None:
        return plain
    deeper = depth + 1
    if kind in (list, tuple, set, frozenset, dict, bytes, bytearray) or kind in _ITERATORS:
        return _encode_container(value, kind, deeper)
    if issubclass(kind, type) or kind in (types.FunctionType, types.BuiltinFunctionType, types.ModuleType):
        return _encode_reference(value, kind, deeper)
    return _encode_object(value, kind, deeper)


def decode(recipe: Any) -> Any:
    """Build the value of a recipe. Raises whatever its constructors raise."""
    if isinstance(recipe, list):
        return [decode(item) for item in recipe]
    if not isinstance(recipe, dict):
        return recipe
    form = recipe["$"]
    if form in _BUILDERS:
        return _BUILDERS[form]([decode(item) for item in recipe["items"]])
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


# --- arguments --------------------------------------------------------------------------------------------------------


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


def _encode_container(value: Any, kind: type, depth: int) -> Any:
    if kind in (bytes, bytearray):
        if len(value) > MOST_TEXT:
            raise NotEncodable("too long")
        return {"$": kind.__name__, "hex": bytes(value).hex()}
    if kind in _ITERATORS:
        try:  # the tests' iterator must not be used up
            items = list(value.__reduce__()[1][0])[value.__reduce__()[2] if len(value.__reduce__()) > 2 else 0 :]
        except (TypeError, IndexError) as error:
            raise NotEncodable("an iterator") from error
        return {"$": "iter", "items": [encode(item, depth) for item in _bounded(items)]}
    if kind is dict:
        pairs = [[encode(key, depth), encode(item, depth)] for key, item in _bounded(value.items())]
        return {"$": "dict", "items": pairs}
    items = [encode(item, depth) for item in _bounded(value)]
    return items if kind is list else {"$": kind.__name__, "items": items}


def _bounded(items: Any) -> list[Any]:
    found = list(items)
    if len(found) > MOST_ITEMS:
        raise NotEncodable("too many items")
    return found


def _encode_reference(value: Any, kind: type, depth: int) -> Any:
    """Functions, classes and modules by name; functions of the tests, which have no name elsewhere, by their code."""
    if kind is types.ModuleType:
        return {"$": "ref", "of": value.__name__ + ":"}
    name = f"{value.__module__}:{value.__qualname__}"
    if is_reachable(name, value):
        return {"$": "ref", "of": name}
    if kind is types.FunctionType:
        return _encode_function(value, depth)
    raise NotEncodable(name)


def is_reachable(name: str, value: Any) -> bool:
    """Whether a name leads to this value in another process too: not what tests define, nor what functions hold."""
    module = name.partition(":")[0]
    if "<" in name or module in ("__main__", "") or _is_of_tests(sys.modules.get(module)):
        return False
    try:
        return resolve(name) is value
    except (ImportError, AttributeError, ValueError):
        return False


def _is_of_tests(module: Any) -> bool:
    file = str(getattr(module, "__file__", "") or "").replace("\\", "/")
    name = file.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py" or "/tests/" in file


def _encode_function(value: types.FunctionType, depth: int) -> Any:
    code = value.__code__
    cells = [encode(cell.cell_contents, depth) for cell in value.__closure__ or ()]
    used = sorted(_global_names(code) & value.__globals__.keys())
    return {
        "$": "function",
        "code": base64.b64encode(marshal.dumps(code)).decode(),
        "cells": cells,
        "defaults": encode(value.__defaults__ or (), depth),
        "globals": {name: encode(value.__globals__[name], depth) for name in used},
        "shown": value.__name__,
    }


def _global_names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _global_names(constant)
    return found


def _encode_object(value: Any, kind: type, depth: int) -> Any:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ in ("unittest.mock", "threading", "socket") or not is_reachable(name, kind):
        raise NotEncodable(name)
    if issubclass(kind, enum.Enum):
        return {"$": "ref", "of": f"{name}.{attribute(value, '_name_')}"}
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return {"$": "call", "of": name, "args": [encode(item, depth) for item in tuple.__iter__(value)], "named": {}}
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        named = {field.name: encode(attribute(value, field.name), depth) for field in fields}
        return {"$": "call", "of": name, "args": [], "named": named}
    if kind in (datetime.date, datetime.datetime, datetime.time) and getattr(value, "tzinfo", None) is None:
        parts = ("year month day " if kind is not datetime.time else "") + (
            "hour minute second microsecond" if kind is not datetime.date else ""
        )
        return {"$": "call", "of": name, "args": [getattr(value, part) for part in parts.split()], "named": {}}
    if kind in (io.StringIO, io.BytesIO):
        return {"$": "call", "of": name, "args": [encode(value.getvalue(), depth)], "named": {}}
    if issubclass(kind, BaseException):
        return {"$": "call", "of": name, "args": [encode(item, depth) for item in value.args], "named": {}}
    if _is_plain_class(kind):
        state = {key: encode(item, depth) for key, item in fields_of(value, kind).items()}
        return {"$": "object", "of": name, "fields": state}
    return _encode_reduced(value, kind, depth)


def _is_plain_class(kind: type) -> bool:
    """Whether instances are made of attributes only: written in Python, on top of nothing but `object`."""
    return (
        all(base is object or (base.__flags__ & (1 << 9)) for base in kind.__mro__)
        and not any(
            base.__module__.partition(".")[0] in sys.builtin_module_names for base in kind.__mro__ if base is not object
        )
        and getattr(kind, "__new__", None) is object.__new__
        and not is_of_library(kind)
    )


def is_of_library(kind: type) -> bool:
    file = str(getattr(sys.modules.get(kind.__module__), "__file__", "") or "")
    return not file or "site-packages" in file or file.startswith(str(sys.base_prefix) + "/lib/")


def _encode_reduced(value: Any, kind: type, depth: int) -> Any:
    """Types of libraries say themselves how they are made; those of the project are not asked."""
    if not is_of_library(kind):
        raise NotEncodable(kind.__qualname__)
    try:
        parts = (*value.__reduce_ex__(2), None, None, None, None)[:5]
    except Exception as error:  # noqa: BLE001 - a type of somebody else
        raise NotEncodable(kind.__qualname__) from error
    made, args, state, items, pairs = parts
    return {
        "$": "reduced",
        "of": encode(made, depth),
        "args": [encode(item, depth) for item in args],
        "state": encode(state, depth),
        "items": [encode(item, depth) for item in _bounded(items or ())],
        "pairs": [[encode(key, depth), encode(item, depth)] for key, item in _bounded(pairs or ())],
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


# --- building ---------------------------------------------------------------------------------------------------------


def _decode_call(recipe: dict[str, Any]) -> Any:
    named = {key: decode(item) for key, item in recipe["named"].items()}
    return resolve(recipe["of"])(*(decode(item) for item in recipe["args"]), **named)


def _decode_object(recipe: dict[str, Any]) -> Any:
    made = object.__new__(resolve(recipe["of"]))
    for name, item in recipe["fields"].items():
        object.__setattr__(made, name, decode(item))
    return made


def _decode_function(recipe: dict[str, Any]) -> Any:
    scope = {"__builtins__": __builtins__, "__name__": "tests"}
    scope.update({name: decode(item) for name, item in recipe["globals"].items()})
    code = marshal.loads(base64.b64decode(recipe["code"]))
    cells = tuple(types.CellType(decode(item)) for item in recipe["cells"])
    return types.FunctionType(code, scope, recipe["shown"], decode(recipe["defaults"]), cells or None)


def _decode_reduced(recipe: dict[str, Any]) -> Any:
    made = decode(recipe["of"])(*(decode(item) for item in recipe["args"]))
    state = decode(recipe["state"])
    if state is not None:
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
    for item in recipe["items"]:
        made.append(decode(item))
    for key, item in recipe["pairs"]:
        made[decode(key)] = decode(item)
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
    "function": _decode_function,
    "reduced": _decode_reduced,
}
