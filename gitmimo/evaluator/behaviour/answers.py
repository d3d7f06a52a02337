"""What a call answered on one tree next to another: equal, or different in which way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitmimo.behaviour import DifferenceKind
from gitmimo.evaluator.behaviour.values import same, show

_MOST_CHARACTERS = 200

Observation = Mapping[str, Any] | None
"""What came of a call: `steps`, each with `value` or `error`, and `after` where arguments have changed; `state` of the
object, `output`; `random` when chance took part; or `unbuilt` when the call isn't possible on this tree. None when
there was no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDifference:
    """The first way in which two answers differ, with both as text."""

    kind: DifferenceKind
    before: str
    after: str


def is_comparable(observation: Observation) -> bool:
    """Whether there is an answer: the call was possible on this tree, and there was time for it."""
    return observation is not None and "unbuilt" not in observation


def is_by_chance(observation: Observation) -> bool:
    """Whether the call drew random numbers, so that another run may answer otherwise."""
    return observation is not None and bool(observation.get("random"))


def is_error(observation: Observation) -> bool:
    """Whether the last of the calls raised an error or did not end."""
    steps = observation.get("steps", []) if observation else []
    return bool(steps) and "error" in steps[-1]


def differs(before: Observation, after: Observation, *, output: bool = True) -> bool:
    """Whether two observations differ; false when one of them can't be compared. `output` counts what is printed."""
    if not is_comparable(before) or not is_comparable(after):
        return False
    found = compare_answers(before, after)
    return found is not None and (output or found.kind is not DifferenceKind.OTHER_OUTPUT)


def compare_answers(before: Observation, after: Observation) -> AnswerDifference | None:
    """The first difference between two observations; None where there is none."""
    if before is None or after is None:
        return None
    if "unbuilt" in before and "unbuilt" not in after:  # a function that base doesn't have
        return AnswerDifference(kind=DifferenceKind.NOW_ANSWERS, before=answer_text(before), after=answer_text(after))
    old, new = before.get("steps", []), after.get("steps", [])
    for number, (left, right) in enumerate(zip(old, new, strict=False)):
        kind = _kind(left, right)
        if kind is not None:
            which = f"call {number + 1}: " if len(old) > 2 else ""
            return AnswerDifference(kind=kind, before=which + _text(left), after=which + _text(right))
    for left, right in zip(old, new, strict=False):
        if not same(left.get("after"), right.get("after")):
            return AnswerDifference(
                kind=DifferenceKind.CHANGED_ARGUMENT, before=_arguments(left), after=_arguments(right)
            )
    if len(old) != len(new) or not _same_state(before.get("state"), after.get("state")):
        return AnswerDifference(kind=DifferenceKind.OTHER_ANSWER, before=_state_text(before), after=_state_text(after))
    if before.get("output", "") != after.get("output", ""):
        old, new = (f"prints {str(each.get('output', ''))!r}"[: _MOST_CHARACTERS + 7] for each in (before, after))
        return AnswerDifference(kind=DifferenceKind.OTHER_OUTPUT, before=old, after=new)
    return None


def answer_text(observation: Observation) -> str:
    """The answer of the last call, for people."""
    if not is_comparable(observation):
        return "(does not exist)" if observation else "not known"
    steps = observation.get("steps", []) if observation else []
    return _text(steps[-1]) if steps else "nothing"


def _kind(left: Mapping[str, Any], right: Mapping[str, Any]) -> DifferenceKind | None:
    if "error" in left or "error" in right:
        if left.get("error") == right.get("error"):
            return None
        if "error" in left and "error" in right:
            return DifferenceKind.OTHER_ERROR
        return DifferenceKind.NOW_ANSWERS if "error" in left else DifferenceKind.NOW_ERROR
    return None if same(left.get("value"), right.get("value")) else DifferenceKind.OTHER_ANSWER


def _text(step: Mapping[str, Any]) -> str:
    return str(step["error"]) if "error" in step else show(step.get("value"))[:_MOST_CHARACTERS]


def _arguments(step: Mapping[str, Any]) -> str:
    after = step.get("after")
    if not isinstance(after, list) or len(after) != 2 or not all(isinstance(part, list) for part in after):
        return "arguments as they were"
    shown = [*map(show, after[0]), *(f"{pair[0]}={show(pair[1])}" for pair in after[1])]
    return f"arguments become {', '.join(shown)}"[:_MOST_CHARACTERS]


def _same_state(left: Any, right: Any) -> bool:
    """Whether an object looks the same: attributes that both trees' objects have, length and items."""
    if not isinstance(left, dict) or not isinstance(right, dict):
        return bool(left == right)
    fields = [_fields(state) for state in (left, right)]
    common = fields[0].keys() & fields[1].keys()
    return all(same(fields[0][name], fields[1][name]) for name in common) and all(
        same(left.get(name), right.get(name)) for name in ("__len__", "__iter__")
    )


def _fields(state: dict[str, Any]) -> dict[str, Any]:
    value = state.get("value")
    items = value.get("items", []) if isinstance(value, dict) else []
    return {str(pair[0]): pair[1] for pair in items if isinstance(pair, list) and len(pair) == 2}


def _state_text(observation: Observation) -> str:
    state = observation.get("state") if observation else None
    if not isinstance(state, dict):
        return answer_text(observation)
    parts = [f"{name}={show(value)}" for name, value in _fields(state).items()]
    parts += [f"{word} {show(state[n])}" for n, word in (("__len__", "length"), ("__iter__", "items")) if n in state]
    return f"object with {', '.join(parts)}"[:_MOST_CHARACTERS]
