"""What can be compared about a value, as JSON; runs inside the sandbox, beside `value_codec`."""

from __future__ import annotations

import collections
import enum
import hashlib
import importlib
import io
import itertools
import json
import types
from typing import Any

codec: Any = importlib.import_module("git_mimo_codec")
_CONTAINERS = (list, tuple, set, frozenset, dict)
_EMPTY = (type(None), int, float, str, list, set, dict)  # what default factories make
_MOST_CHARACTERS = 60_000
_MOST_YIELDED = 50
_above: list[int] = []  # ids of the objects around the one that is being described


def describe(value: Any, depth: int = 0) -> Any:
    """What can be compared about a result. Never asks an object of the project for its `repr`, `==` or `__reduce__`.

    Iterators and coroutines are run, at most 50 items of them; this may raise what they raise. Of large values, the
    upper levels only. `depth` is where to begin: 8 levels are described.
    """
    for start in (depth, depth + 4, depth + 6):
        found = _describe(value, start)
        if start > depth + 5 or len(json.dumps(found)) < _MOST_CHARACTERS:
            break
    return found


def _describe(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, enum.Enum):
        return {"$": "enum", "type": kind.__qualname__, "name": codec.attribute(value, "_name_")}
    if issubclass(kind, str):
        return _typed(kind, str, codec.shorten(str.__str__(value)))
    if issubclass(kind, int):
        return _typed(kind, int, codec.encode_number(int.__index__(value), int))
    if issubclass(kind, float):
        return _typed(kind, float, codec.encode_number(float.__float__(value), float))
    if depth > 8:
        return {"$": "deep"}
    deeper = depth + 1
    if issubclass(kind, (*_CONTAINERS, bytes, bytearray)):
        has_fields = not codec.is_of_library(kind) and codec.fields_of(value, kind)
        return (_describe_fields if has_fields else _describe_container)(value, kind, deeper)
    if depth <= 1 and (consumed := _consume(value, kind)):
        return {"$": consumed[0], "items": [_describe(item, deeper) for item in consumed[1]]}
    return _describe_object(value, kind, deeper)


def _typed(kind: type, plain: type, value: Any) -> Any:
    return value if kind is plain else {"$": "typed", "type": kind.__qualname__, "value": value}


def _describe_container(value: Any, kind: type, depth: int) -> Any:
    if issubclass(kind, (bytes, bytearray)):
        raw = bytes(value)
        shown = raw.hex() if len(raw) <= codec.MOST_TEXT else hashlib.sha256(raw).hexdigest()
        return {"$": "bytes", "hex": shown}
    if issubclass(kind, dict):
        pairs = list(dict.items(value))[: codec.MOST_ITEMS]
        if kind is collections.defaultdict:  # a look at a key is no change
            pairs = [(key, item) for key, item in pairs if type(item) not in _EMPTY or item]
        items: list[Any] = [[_describe(key, depth), _describe(item, depth)] for key, item in pairs]
        form, size = "dict", dict.__len__(value)
    else:
        base = next(plain for plain in (list, tuple, set, frozenset) if issubclass(kind, plain))
        form, size = ("set" if base is frozenset else base.__name__), base.__len__(value)
        items = [_describe(item, depth) for item in list(base.__iter__(value))[: codec.MOST_ITEMS * 5]]
        items = (sorted(items, key=json.dumps) if form == "set" else items)[: codec.MOST_ITEMS]
    if form == "list" and kind is list and size <= codec.MOST_ITEMS:
        return items
    found: Any = {"$": form, "items": items}
    if size > codec.MOST_ITEMS:
        found["size"] = size
    if kind not in _CONTAINERS:
        found["type"] = kind.__qualname__
    return found


def _consume(value: Any, kind: type) -> tuple[str, list[Any]] | None:
    """The items of an iterator, or the result of a coroutine; None for what is neither."""
    if kind in (types.CoroutineType, types.AsyncGeneratorType):
        import asyncio

        if kind is types.CoroutineType:
            return "awaited", [asyncio.run(value)]
        return "async iterator", asyncio.run(_collect(value))
    if hasattr(kind, "__next__") and hasattr(kind, "__iter__") and not issubclass(kind, io.IOBase):
        return "iterator", list(itertools.islice(value, _MOST_YIELDED))
    return None


async def _collect(items: Any) -> list[Any]:
    found: list[Any] = []
    async for item in items:
        found.append(item)
        if len(found) == _MOST_YIELDED:
            break
    return found


def _describe_object(value: Any, kind: type, depth: int) -> Any:
    name = kind.__qualname__
    if issubclass(kind, type) or kind in (types.FunctionType, types.BuiltinFunctionType, types.MethodType):
        return {"$": "ref", "of": str(getattr(value, "__qualname__", name)).rpartition("<locals>.")[2]}
    if issubclass(kind, BaseException):
        return {"$": "object", "type": name, "fields": {"args": _describe(list(value.args), depth)}}
    if codec.is_of_library(kind):
        if hasattr(kind, "tolist"):
            return {"$": "typed", "type": name, "value": _describe(value.tolist(), depth)}
        text = repr(value) if kind.__repr__ is not object.__repr__ else ""
        return {"$": "text", "type": name, "text": codec.shorten(text)}
    return _describe_fields(value, kind, depth)


def _describe_fields(value: Any, kind: type, depth: int) -> Any:
    """An object by its attributes, and by what it holds if it is a container too."""
    if id(value) in _above:
        return {"$": "again", "at": _above.index(id(value))}
    _above.append(id(value))
    try:
        held = {"(value)": _describe_container(value, kind, depth)} if issubclass(kind, _CONTAINERS) else {}
        fields = {key: _describe(item, depth) for key, item in sorted(codec.fields_of(value, kind).items())[:40]}
    finally:
        _above.pop()
    return {"$": "object", "type": kind.__qualname__, "fields": {**held, **fields}}
