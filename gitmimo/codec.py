"""Records as plain JSON values and back, checked against their types."""

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NewType


def to_json(record: Any) -> Any:
    """Turn a record into plain JSON values; tuples become lists, enums their values, times ISO text."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: to_json(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, datetime):
        return record.isoformat()
    if isinstance(record, Mapping):
        return {str(key): to_json(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_json(value) for value in record]
    if isinstance(record, (set, frozenset)):
        return sorted(to_json(value) for value in record)
    return record


T = typing.TypeVar("T")


def from_json(kind: type[T], value: Any) -> T:
    """Rebuild a record from `to_json`'s values. Unknown keys raise ValueError; absent ones take their defaults."""
    read: Callable[[Any], T] = _reader(typing.cast(Any, kind))
    return read(value)


def dump_json(record: Any) -> str:
    """Serialise a record to one stable line: sorted keys, no spaces."""
    return json.dumps(to_json(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes values of one type from plain JSON values; made once, for journals hold thousands of records."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        present = _reader(next(option for option in inner if option is not type(None)))
        return lambda value: None if value is None else present(value)
    if isinstance(kind, NewType):
        return _as_it_is
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record_reader(kind)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        each = _reader(inner[0])
        return lambda value: tuple(each(item) for item in value)
    if origin is tuple:
        parts = [_reader(part) for part in inner]
        return lambda value: tuple(part(item) for part, item in zip(parts, value, strict=True))
    if origin in (frozenset, set):
        each = _reader(inner[0])
        return lambda value: frozenset(each(item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        each = _reader(inner[1])
        return lambda value: {key: each(item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    if kind is datetime:
        return datetime.fromisoformat
    return _as_it_is


def _record_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in dataclasses.fields(kind)}

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{kind.__name__} is not an object: {value!r:.80}")
        unknown = sorted(set(value) - readers.keys())
        if unknown:
            raise ValueError(f"unknown key in {kind.__name__}: {', '.join(unknown)}")
        return kind(**{name: readers[name](item) for name, item in value.items()})

    return read


def _as_it_is(value: Any) -> Any:
    return value
