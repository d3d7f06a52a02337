"""Calls of changed functions, and the growing of more calls from them by changing arguments."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitmimo.evaluator.behaviour.values import (
    Value,
    in_turns,
    name_of,
    neighbours,
    show,
    simpler,
    wander,
    with_argument,
)

_MOST_INPUTS = 700  # of all functions together
_MOST_PER_FUNCTION = 200
_MOST_CHARACTERS = 4000  # of one call
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One function called, or one object made and then used; every argument as a value in JSON.

    `steps` are objects with `do` (call, make, value, method, get, set, delete), `of` (what is called), `args`, `named`.
    """

    function: str  # path::qualified name; of calls on one object, the class
    steps: tuple[dict[str, Any], ...]
    test: str = ""
    is_direct: bool = True  # made from outside of the files that changed
    is_inner: bool = False  # made by the project, not by a test
    is_variant: bool = False
    is_near_fixed: bool = False

    @property
    def key(self) -> str:
        """Equal for equal calls."""
        return json.dumps([self.function, self.steps], sort_keys=True)

    @property
    def arguments(self) -> dict[int | str, str]:
        """The values of one function's arguments as text, by position or name; empty where more than one is called."""
        step = self.steps[0]
        if len(self.steps) > 1 or step["do"] != "call":
            return {}
        return {place: json.dumps(value, sort_keys=True) for place, value in _places(step)}

    @property
    def text(self) -> str:
        """As one would write it."""
        return show_steps(self.steps)


def show_steps(steps: Sequence[Mapping[str, Any]]) -> str:
    """The calls in Python's syntax; an object is named by the first letter of its class."""
    first = steps[0]
    if first["do"] == "call":
        return f"{name_of(first['of'])}({_arguments(first)})"
    if first["do"] == "make":
        kind = name_of(first["of"]).rpartition(".")[2]
        made = f"{kind}({_arguments(first)})"
    else:
        made = show(first["value"])
        kind = made.partition("(")[0]
    if len(steps) == 1:
        return made
    if len(steps) == 2:
        return f"{made}.{_step(steps[1])}"
    name = next((letter.lower() for letter in kind if letter.isalpha()), "x")
    return f"{name} = {made}; " + "; ".join(f"{name}.{_step(step)}" for step in steps[1:])


def grow(calls: Sequence[Call], constants: Sequence[int | float | str]) -> tuple[Call, ...]:
    """The calls and variants of them, calls first, then the functions' variants in turns; the same for the same calls.

    A variant changes one argument to a near value of its type, sometimes several; or an object's calls are repeated,
    left out or reordered.
    """
    by_function: dict[str, list[Call]] = {}
    for call in calls:
        by_function.setdefault(call.function, []).append(call)
    most = min(_MOST_PER_FUNCTION, _MOST_INPUTS // max(1, len(by_function)))
    rows = [_variants(of_function, constants, most) for of_function in by_function.values()]
    found = {call.key: call for call in calls}
    for variant in in_turns(rows):
        found.setdefault(variant.key, variant)
    return tuple(found.values())


def simpler_calls(call: Call) -> Iterator[Call]:
    """Calls with one argument simpler, or one step of an object's fewer."""
    if len(call.steps) > 2:
        yield from (_variant(call, call.steps[:i] + call.steps[i + 1 :]) for i in range(1, len(call.steps)))
    for index, step in enumerate(call.steps):
        for place, value in _places(step):
            for less in simpler(value):
                yield _variant(call, _put(call.steps, index, _with(step, place, less)))


def _variants(calls: Sequence[Call], constants: Sequence[int | float | str], most: int) -> list[Call]:
    """At most so many variants, each call's in turns: its neighbours, then calls changed at several places."""
    chance = random.Random(_SEED)
    ordered = sorted(calls, key=lambda call: (not call.is_near_fixed, not call.is_direct))[:40]
    each = max(4, most // max(1, len(ordered)))
    rows = []
    for call in ordered:
        near = [one for one in _neighbours(call, constants) if len(one.key) < _MOST_CHARACTERS]
        first, rest = near[: each // 3], near[each // 3 :]
        chosen = first + chance.sample(rest, min(len(rest), each // 3))
        chosen += [_walk(call, calls, constants, chance) for _ in range(each - len(chosen))]
        rows.append(chosen)
    return list(in_turns(rows))[:most]


def _neighbours(call: Call, constants: Sequence[int | float | str]) -> Iterator[Call]:
    """One argument changed, arguments in turns; objects also by other orders of their calls."""
    rows = []
    for index, step in enumerate(call.steps):
        for place, value in _places(step):
            near_steps = (_with(step, place, near) for near in neighbours(value, constants))
            rows.append([_variant(call, _put(call.steps, index, near)) for near in near_steps])
    if len(call.steps) > 2:
        chance = random.Random(_SEED)
        rows.append([_variant(call, _reordered(call.steps, chance)) for _ in range(60)])
    yield from in_turns(rows)


def _walk(call: Call, others: Sequence[Call], constants: Sequence[int | float | str], chance: random.Random) -> Call:
    """Two to four changes one after the other; now and then an argument of another call of the same function."""
    steps = call.steps
    for _ in range(chance.randint(2, 4)):
        index = chance.randrange(len(steps))
        places = list(_places(steps[index]))
        if len(steps) > 2 and chance.random() < 0.4:
            steps = _reordered(steps, chance)
        elif places:
            place, value = chance.choice(places)
            other = chance.choice(others).steps
            taken = dict(_places(other[index])) if len(other) > index and chance.random() < 0.25 else {}
            near = taken[place] if place in taken else wander(value, chance, constants)
            steps = _put(steps, index, _with(steps[index], place, near))
    made = _variant(call, steps)
    return made if len(made.key) < _MOST_CHARACTERS else call


def _reordered(steps: tuple[dict[str, Any], ...], chance: random.Random) -> tuple[dict[str, Any], ...]:
    """One call of the object repeated, moved or left out; its making stays first."""
    calls = list(steps[1:])
    act, source = chance.random(), chance.randrange(len(calls))
    target = chance.randrange(len(calls) + 1)
    if act < 0.5:
        calls.insert(target, calls[source])
    elif act < 0.8 or len(calls) < 3:
        calls.insert(target, calls.pop(source))
    else:
        calls.pop(source)
    return (steps[0], *calls[:40])


def _places(step: Mapping[str, Any]) -> Iterator[tuple[int | str, Value]]:
    """Where a step's values are: positions of arguments, names of others, and `value` of an object itself."""
    if step["do"] == "value":
        yield "", step["value"]
        return
    yield from enumerate(step["args"])
    yield from step["named"].items()


def _with(step: dict[str, Any], place: int | str, value: Value) -> dict[str, Any]:
    if place == "":
        return {**step, "value": value}
    return with_argument(step, place, value)


def _put(steps: tuple[dict[str, Any], ...], index: int, step: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return (*steps[:index], step, *steps[index + 1 :])


def _variant(call: Call, steps: tuple[dict[str, Any], ...]) -> Call:
    return replace(call, steps=steps, is_variant=True)


def _step(step: Mapping[str, Any]) -> str:
    if step["do"] == "get":
        return str(step["of"])
    if step["do"] == "set":
        return f"{step['of']} = {_arguments(step)}"
    return f"{step['of']}({_arguments(step)})"


def _arguments(step: Mapping[str, Any]) -> str:
    named = [f"{name}={show(value)}" for name, value in step["named"].items()]
    return ", ".join([*map(show, step["args"]), *named])
