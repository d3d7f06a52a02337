"""Values as JSON: neighbours of a value of the same type, simpler ones, and how a value is written for people.

Plain JSON values stand for themselves, a list for a list; `{"$": form, ...}` stands for what JSON doesn't have. The
forms are made by `probes/value_codec.py` and, for results, `probes/value_description.py`. Nothing here builds a value.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Value = Any  # what `json.loads` gives
_NOTHING: Any = object()
_SEQUENCES = ("tuple", "set", "frozenset", "iter")
_PARTS: dict[str, dict[str, type]] = {  # what a form must hold to be read
    **dict.fromkeys((*_SEQUENCES, "dict", "list", "iterator", "async iterator", "awaited"), {"items": list}),
    **dict.fromkeys(("bytes", "bytearray"), {"hex": str}),
    **dict.fromkeys(("int", "float", "complex"), {"text": str}),
    "text": {"type": str, "text": str},
    "typed": {"type": str},
    "enum": {"type": str, "name": str},
    "ref": {"of": str},
    "call": {"of": str, "args": list, "named": dict},
    "object": {"fields": dict},
    "again": {"at": int},
    "function": {"code": str, "shown": str},
    "reduced": {"shown": str},
    "deep": {},
}


def is_value(value: Value, depth: int = 0) -> bool:
    """Whether something read from a file is a value: code of the project could have written it."""
    if isinstance(value, list):
        return depth < 60 and all(is_value(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return True
    form = value.get("$")
    parts = _PARTS.get(form) if isinstance(form, str) else None
    if parts is None or any(not isinstance(value.get(name), kind) for name, kind in parts.items()):
        return False
    if form == "dict" and not all(isinstance(pair, list) and len(pair) == 2 for pair in value["items"]):
        return False
    if form == "object" and not isinstance(value.get("type", value.get("of")), str):
        return False
    inner = [*value.get("items", ()), *value.get("args", ()), value.get("value"), value.get("plain")]
    inner += [*(value.get("named") or {}).values(), *(value.get("fields") or {}).values()]
    return depth < 60 and all(is_value(item, depth + 1) for item in inner)


def neighbours(value: Value, pool: Sequence[int | float | str] = (), depth: int = 0) -> Iterator[Value]:
    """Values of the same type near this one, the simplest change first; `pool` are constants of the changed code."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from _integers(value, [each for each in pool if isinstance(each, int)])
    elif isinstance(value, float):
        yield from (value + 1, value / 2, -value, 0.0, value * 3, value + 0.001)
        yield from (each for each in pool if isinstance(each, float))
    elif isinstance(value, str):
        yield from _texts(value, [each for each in pool if isinstance(each, str)])
    elif isinstance(value, list):
        yield from _lists(value, pool, depth)
    elif isinstance(value, dict):
        yield from _formed(value, pool, depth)


def simpler(value: Value) -> Iterator[Value]:
    """Smaller values of the same type: parts left out, numbers nearer to 0."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        nearer = (0, 1, value // 2, value - 1 if value > 0 else value + 1)
        yield from (near for near in nearer if abs(near) < abs(value))
    elif isinstance(value, float):
        yield from (near for near in (0.0, 1.0, float(round(value)) if abs(value) < 1e15 else 0.0) if near != value)
    elif isinstance(value, str):
        yield from (value[: len(value) // 2], value[len(value) // 2 :]) if len(value) > 3 else ()
        yield from (value[:i] + value[i + 1 :] for i in range(min(len(value), 12)))
    elif isinstance(value, list):
        yield from (value[:i] + value[i + 1 :] for i in range(min(len(value), 12)))
        yield from (_put(value, i, each) for i, item in enumerate(value[:6]) for each in list(simpler(item))[:4])
    elif isinstance(value, dict) and value["$"] in (*_SEQUENCES, "dict"):
        yield from ({**value, "items": items} for items in simpler(value["items"]) if _is_whole(value["$"], items))
    elif isinstance(value, dict) and value["$"] == "call":
        for place, item in (*enumerate(value["args"]), *value["named"].items()):
            yield from (with_argument(value, place, each) for each in list(simpler(item))[:4])


def wander(value: Value, chance: random.Random, pool: Sequence[int | float | str] = ()) -> Value:
    """One neighbour, chosen by chance."""
    found = list(neighbours(value, pool))
    return chance.choice(found) if found else value


def show(value: Value) -> str:
    """The value in Python's syntax, at most some 300 characters of it."""
    text = _show(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"


def type_of(value: Value) -> str:
    """The type of a described result; numbers are one type, a tuple has those of its parts."""
    if value is None or isinstance(value, (bool, str, list)):
        return type(value).__name__
    if isinstance(value, (int, float)):
        return "number"
    if value.get("$") == "tuple" and not value.get("type"):
        return f"({', '.join(map(type_of, value['items'][:10]))})"
    return "number" if value.get("$") in ("int", "float") else f"{value.get('$')} {value.get('type', '')}"


def same(left: Value, right: Value) -> bool:
    """Whether two described results count as equal: numbers by value, floats to nine digits, dicts in any order."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right or abs(left - right) <= 1e-9 * max(abs(left), abs(right))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return _same_formed(left, right)
    return type(left) is type(right) and bool(left == right)


# --- neighbours -------------------------------------------------------------------------------------------------------


def _integers(value: int, pool: Sequence[int]) -> Iterator[int]:
    yield from (value + 1, value - 1, 0, 1, 2, -value, value * 2, value // 2, value * 10, value + 7, value - 3)
    yield from (near for constant in pool[:8] for near in (constant, constant + 1, constant - 1))
    yield from (100 * max(1, value // 100), value + 400, 4 * (value // 4))
    yield value * value if abs(value) < 1000 else value


def _texts(value: str, pool: Sequence[str]) -> Iterator[str]:
    yield from (value[:-1], value[1:], value + "a", value + "7", "", value * 2)
    yield from (f" {value}", value.upper(), value.lower())
    yield from (value[::-1], value.title(), value.replace(" ", "  "), f"{value} {value}", f"{value}\n", f"-{value}")
    for index in range(min(len(value), 10)):
        yield value[:index] + value[index + 1 :]
        yield value[:index] + value[index] + value[index:]
        if value[index].isdigit():
            yield value[:index] + str((int(value[index]) + 3) % 10) + value[index + 1 :]
            yield value[:index] + "12" + value[index:]
    half = len(value) // 2
    for constant in pool[:8]:
        yield from (constant, value + constant, constant + value, value[:half] + constant + value[half:])
    yield from (value[:length] for length in range(len(value) - 1, max(0, len(value) - 6), -1))
    if len(value) > 1:
        yield from (value[0] * len(value), value[-1] + value[1:-1] + value[0])


def _lists(value: list[Value], pool: Sequence[int | float | str], depth: int) -> Iterator[list[Value]]:
    yield from (value[:-1], value[1:], value[::-1], value + value[-1:])
    yield from ([], value * 2, value[:1] + value, value + value[:1])
    numbers = [item for item in value if isinstance(item, (int, float)) and not isinstance(item, bool)]
    if numbers and len(numbers) == len(value):
        yield from (sorted(value), value + [max(numbers) * 10 + 1], value + [min(numbers)], [max(numbers) + 3, *value])
        yield from ([*value[:-1], max(numbers) * 25], [value[0], max(numbers) * 30, *value[1:]])
        yield [-item for item in value]
    if depth < 3:
        for index, item in enumerate(value[:6]):
            for near in list(neighbours(item, pool, depth + 1))[:24]:
                yield _put(value, index, near)
    if any(isinstance(item, list) for item in value):
        yield from ([*value, value], [value])
    yield value * 12 if len(value) < 12 else value
    if len(value) > 1:
        yield from (value[1:] + value[:1], [value[1], value[0], *value[2:]], [value[0]] * len(value))


def _formed(value: dict[str, Value], pool: Sequence[int | float | str], depth: int) -> Iterator[Value]:
    form = value["$"]
    if form in _SEQUENCES:
        near_items = _lists(value["items"], pool, depth)
        yield from ({**value, "items": items} for items in near_items if _is_whole(form, items))
    elif form == "dict":
        yield from ({**value, "items": items} for items in _pairs(value["items"], pool, depth))
    elif form in ("bytes", "bytearray"):
        text = value["hex"]
        yield from ({**value, "hex": near} for near in (text[2:], text[:-2], text * 2, "", f"{text}00", f"ff{text}"))
    elif form == "call" and depth < 4:
        places = (*enumerate(value["args"]), *value["named"].items())
        rows = ([(place, near) for near in neighbours(item, pool, depth + 1)] for place, item in places)
        yield from (with_argument(value, place, near) for place, near in in_turns(rows))
    elif form == "object" and depth < 4:
        each = [[(name, near) for near in neighbours(item, pool, depth + 1)] for name, item in value["fields"].items()]
        yield from ({**value, "fields": {**value["fields"], name: near}} for name, near in in_turns(each))


def _pairs(items: list[Value], pool: Sequence[int | float | str], depth: int) -> Iterator[list[Value]]:
    yield from ([], items[:-1], items[1:], items[::-1])
    if items and isinstance(items[0][0], str):
        yield [*items, ["extra", items[0][1]]]
    for index, (key, item) in enumerate(items[:6]):
        for near in list(neighbours(item, pool, depth + 1))[:10]:
            yield _put(items, index, [key, near])
        if isinstance(item, dict) and item.get("$") == "dict":
            yield from (_put(items, index, [key, plain]) for plain in (1, "s"))
        else:
            yield _put(items, index, [key, {"$": "dict", "items": [["z", 1]]}])


def in_turns(rows: Iterable[Iterable[T]]) -> Iterator[T]:
    """The first of each row, then the second of each, and so on."""
    for turn in itertools.zip_longest(*rows, fillvalue=_NOTHING):
        yield from (each for each in turn if each is not _NOTHING)


def with_argument(call: dict[str, Any], place: int | str, value: Value) -> dict[str, Any]:
    """A call with another value for one of its arguments, by position or name."""
    if isinstance(place, int):
        return {**call, "args": _put(call["args"], place, value)}
    return {**call, "named": {**call["named"], place: value}}


def _put(items: list[Value], index: int, item: Value) -> list[Value]:
    return [*items[:index], item, *items[index + 1 :]]


def _is_whole(form: str, items: list[Value]) -> bool:
    """Whether a set or dict with these items can be built: no lists as members."""
    return form in ("tuple", "iter", "dict") or not any(isinstance(item, list) for item in items)


# --- comparing and showing --------------------------------------------------------------------------------------------


def _same_formed(left: dict[str, Value], right: dict[str, Value]) -> bool:
    if left.get("$") != right.get("$") or left.get("type") != right.get("type"):
        return False
    if left["$"] == "dict":
        return _same_pairs(left["items"], right["items"])
    if left["$"] == "object":
        return _same_fields(left["fields"], right["fields"])
    return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)


def _same_pairs(left: list[Value], right: list[Value]) -> bool:
    if len(left) != len(right):
        return False
    rest = {show(key): item for key, item in right}
    return all(show(key) in rest and same(item, rest[show(key)]) for key, item in left)


def _same_fields(left: dict[str, Value], right: dict[str, Value]) -> bool:
    """Attributes that both have; private ones only where there is nothing else and both have the same."""
    public = [name for name in left.keys() & right.keys() if not name.startswith("_")]
    if not public and left.keys() == right.keys():
        public = list(left)
    return all(same(left[name], right[name]) for name in public)


def _show(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_show, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    form = value.get("$")
    items = [_show(item) for item in value.get("items", ()) if form != "dict"]
    if form == "tuple":
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if form in ("set", "frozenset"):
        return f"{{{', '.join(items)}}}" if items else "set()"
    if form == "dict":
        return f"{{{', '.join(f'{_show(key)}: {_show(item)}' for key, item in value['items'])}}}"
    if form in ("iter", "iterator", "async iterator"):
        return f"iter([{', '.join(items)}])"
    return _show_other(value)


def _show_other(value: dict[str, Value]) -> str:
    form = value.get("$")
    if form == "call":
        args = [*map(_show, value["args"]), *(f"{name}={_show(item)}" for name, item in value["named"].items())]
        return f"{name_of(value['of'])}({', '.join(args)})"
    if form == "object":
        plain = value.get("plain", value["fields"].get("(value)"))
        if plain is not None:
            return f"{value.get('type') or name_of(value['of'])}({_show(plain)})"
        fields = ", ".join(f"{name}={_show(item)}" for name, item in value["fields"].items())
        return f"{value.get('type') or name_of(value['of'])}({fields})"
    if form == "typed":
        return f"{value['type']}({_show(value['value'])})"
    if form in ("bytes", "bytearray"):
        return repr(bytes.fromhex(value["hex"]))
    if form == "enum":
        return f"{value['type']}.{value['name']}"
    if form == "awaited":
        return _show(value["items"][0])
    if form == "ref":
        return name_of(value["of"])
    return str(value.get("shown") or value.get("text") or value.get("type") or "...")


def name_of(reference: str) -> str:
    """The name in `package.module:name`; the module where there is no name."""
    module, _, name = reference.partition(":")
    return name or module
