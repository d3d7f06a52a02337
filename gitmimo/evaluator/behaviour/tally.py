"""Count differences, group products that behave alike, and choose the inputs worth showing. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gitmimo.behaviour import Answer, BehaviourReport, Difference, DifferenceKind, ProductBehaviour, Split, is_narrow
from gitmimo.evaluator.behaviour.answers import (
    AnswerDifference,
    Observation,
    answer_text,
    compare_answers,
    differs,
    is_comparable,
    is_error,
)
from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.behaviour.values import type_of
from gitmimo.ids import Oid

T = TypeVar("T")
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")
_MOST_DIFFERENCES = 20
_MOST_SPLITS = 5
_SEVERAL = 4  # different values of an argument in the calls of fixed tests; other answers of a function; inputs
_MOST_CHARACTERS = 200
_WEIGHT = {
    DifferenceKind.OTHER_ANSWER: 0,
    DifferenceKind.CHANGED_ARGUMENT: 1,
    DifferenceKind.NOW_ERROR: 2,
    DifferenceKind.NOW_ANSWERS: 3,
    DifferenceKind.OTHER_OUTPUT: 4,
    DifferenceKind.OTHER_ERROR: 5,
}


@dataclass(slots=True)
class Compared:
    """All observations: `before` by call, `answers` by product and call."""

    calls: tuple[Call, ...]
    before: tuple[Observation, ...]
    dropped: int = 0
    answers: dict[Oid, tuple[Observation, ...]] = field(default_factory=dict)
    _found: dict[Oid, dict[int, AnswerDifference]] = field(default_factory=dict)
    _simpler: dict[tuple[Oid, int], tuple[Call, AnswerDifference]] = field(default_factory=dict)

    def differences(self, tree: Oid) -> dict[int, AnswerDifference]:
        """By number of the call: where a product doesn't do what base does."""
        if tree not in self._found:
            found = {}
            for number, (old, new) in enumerate(zip(self.before, self.answers[tree], strict=True)):
                difference = compare_answers(old, new) if old is not None and is_comparable(new) else None
                if difference is not None:
                    found[number] = difference
            self._found[tree] = found
        return self._found[tree]

    def telling(self, tree: Oid) -> list[int]:
        """Numbers of differing calls, the most telling first.

        Calls that a test makes and none that is to be fixed, then variants away from the tests to be fixed, then near
        them; answers before errors; short ones first. Calls that differ from an earlier one in literals only, with the
        same kind of difference, come after all others.
        """
        found = self.differences(tree)

        def weight(number: int) -> tuple[int, int, int, int]:
            call = self.calls[number]
            place = 0 if not call.is_near_fixed else 1 if call.is_variant else 2
            return (place, _WEIGHT[found[number].kind], int(call.is_variant), len(call.text))

        ordered = sorted(found, key=weight)
        shapes: set[tuple[str, DifferenceKind]] = set()
        repeated = set()
        for number in ordered:
            shape = (_LITERAL.sub("_", self.calls[number].text), found[number].kind)
            if shape in shapes:
                repeated.add(number)
            shapes.add(shape)
        return sorted(ordered, key=lambda number: number in repeated)

    def note_simpler(self, tree: Oid, number: int, call: Call, difference: AnswerDifference) -> None:
        """Show this call in the place of another, if it is shorter."""
        known = self._simpler.get((tree, number))
        if len(call.text) < len((known[0] if known else self.calls[number]).text):
            self._simpler[tree, number] = (call, difference)

    def shown(self, tree: Oid, number: int) -> tuple[Call, AnswerDifference]:
        """The call with its difference, or the simpler ones found for it."""
        return self._simpler.get((tree, number), (self.calls[number], self.differences(tree)[number]))


def make_report(
    compared: Compared, *, base: Oid, trees: Sequence[Oid], seeds: int, unreached: tuple[str, ...]
) -> BehaviourReport:
    """The report of a comparison; see `BehaviourReport` for what counts."""
    valid = [number for number in range(len(compared.calls)) if _is_valid(compared, trees, number)]
    groups = _groups(compared, trees, valid)
    fixed = [call for call in compared.calls if call.is_near_fixed and not call.is_variant]
    return BehaviourReport(
        base=base,
        functions=tuple(sorted({call.function for call in compared.calls})),
        unreached=unreached,
        calls=seeds,
        fixed_calls=len(fixed),
        inner_fixed_calls=sum(call.is_inner for call in fixed),
        inputs=len(compared.calls),
        valid=len(valid),
        dropped=compared.dropped,
        products=tuple(_product(compared, tree, trees, valid) for tree in trees),
        groups=groups,
        splits=_splits(compared, groups, valid),
        problem="" if compared.calls else "no input has the same answer twice on base",
    )


def _is_valid(compared: Compared, trees: Sequence[Oid], number: int) -> bool:
    if not is_error(compared.before[number]) and is_comparable(compared.before[number]):
        return True
    answers = [compared.answers[tree][number] for tree in trees]
    return sum(is_comparable(answer) and not is_error(answer) for answer in answers) * 2 > len(trees)


def _product(compared: Compared, tree: Oid, trees: Sequence[Oid], valid: Sequence[int]) -> ProductBehaviour:
    found = compared.differences(tree)
    answers = compared.answers[tree]
    if not any(map(is_comparable, answers)):
        return ProductBehaviour(tree=tree, problem="none of the calls is possible on it", agreement=0.0)
    answered = [n for n, old in enumerate(compared.before) if is_comparable(old) and not is_error(old)]
    outside = [n for n in answered if compared.calls[n].is_variant or not compared.calls[n].is_near_fixed]
    away = [n for n in outside if not compared.calls[n].is_near_fixed and compared.calls[n].test]
    near = _near_fixed(compared.calls, found)
    asked = {call.function for call in compared.calls if call.is_near_fixed}
    elsewhere = Counter(compared.calls[n].function for n in answered if n in found)
    return ProductBehaviour(
        tree=tree,
        differences=_differences(compared, tree),
        changed=len(found),
        changed_outside=sum(n in found for n in outside),
        spill=sum(n in found for n in away),
        spill_inputs=len(away),
        unasked=tuple(sorted(name for name, count in elsewhere.items() if name not in asked and count >= _SEVERAL)),
        dead_arguments=_dead_arguments(compared.calls, compared.before, answers),
        new_errors=sum(difference.kind is DifferenceKind.NOW_ERROR for difference in found.values()),
        dirty=sum(_is_dirty(compared.before[n], answers[n]) for n in answered),
        fixed_changed=sum(c.is_near_fixed and not c.is_variant and n in found for n, c in enumerate(compared.calls)),
        near_fixed=len(near),
        near_fixed_changed=sum(n in found for n in near),
        errors=sum(is_error(answers[n]) for n in valid),
        odd_types=_odd_types(compared.calls, answers, valid),
        agreement=_agreement(compared, tree, trees, valid),
        agreement_of_failed=_agreement_of_failed(compared, tree, trees, valid),
    )


def _dead_arguments(
    calls: Sequence[Call], before: Sequence[Observation], after: Sequence[Observation]
) -> tuple[str, ...]:
    """Arguments that make a difference on base, all others being equal, and never on a product."""
    alike: dict[tuple[str, int | str, str], list[int]] = {}
    for number, call in enumerate(calls):
        arguments = call.arguments if is_comparable(before[number]) and is_comparable(after[number]) else {}
        for place in arguments:
            others = str([value for name, value in arguments.items() if name != place])
            alike.setdefault((call.function, place, others), []).append(number)
    mattered, matters = Counter[tuple[str, int | str]](), set()
    for (function, place, _), (first, *rest) in alike.items():
        mattered[function, place] += any(differs(before[first], before[n]) for n in rest)
        if any(differs(after[first], after[n]) for n in rest):
            matters.add((function, place))
    dead = [key for key, count in mattered.items() if count >= _SEVERAL and key not in matters]
    return tuple(
        f"{place + 1 if isinstance(place, int) else place} of {function}" for function, place in sorted(dead, key=str)
    )


def _near_fixed(calls: Sequence[Call], found: Mapping[int, object]) -> list[int]:
    """Inputs grown from calls of fixed tests; `found` has those that differ.

    Only those with another value of one argument, where the calls have several values of it and hardly an answer
    differs for any other: that is what a table of answers looks like, whatever it makes of the other arguments.
    """
    near = [n for n, call in enumerate(calls) if call.is_near_fixed and call.is_variant]
    values: dict[tuple[str, int | str], set[str]] = {}
    for call in calls:
        for place, value in call.arguments.items() if call.is_near_fixed and not call.is_variant else ():
            values.setdefault((call.function, place), set()).add(value)
    for (function, place), known in values.items():
        other = [n for n in near if calls[n].function == function and calls[n].arguments.get(place, "") not in known]
        if len(known) >= _SEVERAL and is_narrow(len(other), sum(n in found for n in other)):
            return other
    return near


def _agreement(compared: Compared, tree: Oid, others: Sequence[Oid], valid: Sequence[int]) -> float:
    """The mean share of the others' known answers that are the same; 1 where there are none."""
    mine = compared.answers[tree]
    pairs = [(mine[n], compared.answers[other][n]) for other in others if other != tree for n in valid]
    return sum(_agree(left, right) for left, right in pairs) / len(pairs) if pairs else 1.0


def _agreement_of_failed(compared: Compared, tree: Oid, trees: Sequence[Oid], valid: Sequence[int]) -> float:
    """The same for products that did not pass, where they give a value: their errors say nothing."""
    mine, failed = compared.answers[tree], [a for other, a in compared.answers.items() if other not in trees]
    found = [_agree(mine[n], a[n]) for a in failed for n in valid if is_comparable(a[n]) and not is_error(a[n])]
    return sum(found) / len(found) if found else 0.0


def _odd_types(calls: Sequence[Call], answers: Sequence[Observation], valid: Sequence[int]) -> int:
    """On how many inputs the answer has a type that no answer to a test's own call has."""
    last = [answer["steps"][-1:] if answer and "unbuilt" not in answer else [] for answer in answers]
    types = [type_of(step[0].get("value")) if step and "error" not in step[0] else "" for step in last]
    known = {types[number] for number, call in enumerate(calls) if not call.is_variant}
    return sum(types[number] not in known | {""} for number in valid) if known - {""} else 0


def _agree(left: Observation, right: Observation) -> bool:
    """Whether two answers are equal, as far as is known: without time for one of them nothing is known."""
    if left is None or right is None:
        return True
    return is_comparable(left) == is_comparable(right) and not differs(left, right, output=False)


def _is_dirty(before: Observation, after: Observation) -> bool:
    """Whether arguments are changed that base leaves as they are."""
    old, new = ((observation or {}).get("steps", []) for observation in (before, after))
    return any("after" in right and "after" not in left for left, right in zip(old, new, strict=False))


def _differences(compared: Compared, tree: Oid) -> tuple[Difference, ...]:
    found: dict[str, Difference] = {}
    for number in compared.telling(tree):
        call, difference = compared.shown(tree, number)
        text = call.text[:_MOST_CHARACTERS]
        if text not in found and len(found) < _MOST_DIFFERENCES:
            found[text] = Difference(
                function=call.function,
                call=text,
                before=difference.before,
                after=difference.after,
                kind=difference.kind,
                test=call.test,
                is_variant=call.is_variant,
                is_near_fixed=call.is_near_fixed,
            )
    return tuple(found.values())


def _groups(compared: Compared, trees: Sequence[Oid], valid: Sequence[int]) -> tuple[tuple[Oid, ...], ...]:
    answers = compared.answers
    groups = _grouped(trees, lambda one, other: all(_agree(answers[one][n], answers[other][n]) for n in valid))
    return tuple(tuple(group) for group in sorted(groups, key=len, reverse=True))


def _splits(compared: Compared, groups: Sequence[tuple[Oid, ...]], valid: Sequence[int]) -> tuple[Split, ...]:
    """Inputs that tell groups apart: those that split off another pair first, then the shortest."""
    found = [(n, answers) for n in valid if len(answers := _answers(compared, groups, n)) > 1]
    found.sort(key=lambda each: (-len(each[1]), compared.calls[each[0]].is_variant, len(compared.calls[each[0]].text)))
    return tuple(_split(compared, number, answers) for number, answers in found[:_MOST_SPLITS])


def _answers(compared: Compared, groups: Sequence[tuple[Oid, ...]], number: int) -> list[tuple[list[Oid], Observation]]:
    """The different answers to one call, each with the products that give it."""
    answer_of = {group: compared.answers[group[0]][number] for group in groups}
    parts = _grouped(groups, lambda one, other: _agree(answer_of[one], answer_of[other]))
    return [([tree for group in part for tree in group], answer_of[part[0]]) for part in parts]


def _grouped(items: Iterable[T], agree: Callable[[T, T], bool]) -> list[list[T]]:
    """The items, each with those whose first it agrees with."""
    groups: list[list[T]] = []
    for item in items:
        group = next((group for group in groups if agree(group[0], item)), None)
        if group is None:
            groups.append([item])
        else:
            group.append(item)
    return groups


def _split(compared: Compared, number: int, answers: Sequence[tuple[list[Oid], Observation]]) -> Split:
    call = compared.calls[number]
    texts = [answer_text(answer) for _, answer in answers]
    if len(set(texts)) < len(texts):  # the last answers are equal: show what differs
        apart = compare_answers(answers[0][1], answers[1][1]) if all(is_comparable(a) for _, a in answers[:2]) else None
        texts[:2] = [apart.before, apart.after] if apart else texts[:2]
    return Split(
        function=call.function,
        call=call.text[:_MOST_CHARACTERS],
        before=answer_text(compared.before[number]),
        answers=tuple(Answer(trees=tuple(t), answer=text) for (t, _), text in zip(answers, texts, strict=True)),
        test=call.test,
    )
