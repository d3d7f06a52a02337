"""Count differences, group products that behave alike, and choose the inputs worth showing. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from gitmimo.behaviour import (
    Answer,
    BehaviourReport,
    Difference,
    DifferenceKind,
    ProductBehaviour,
    Split,
)
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
from gitmimo.records import Oid

_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")
_MOST_DIFFERENCES = 20
_MOST_SPLITS = 5
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
    return BehaviourReport(
        base=base,
        functions=tuple(sorted({call.function for call in compared.calls})),
        unreached=unreached,
        calls=seeds,
        fixed_calls=sum(call.is_near_fixed and not call.is_variant for call in compared.calls),
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
    near = [n for n, call in enumerate(compared.calls) if call.is_near_fixed and call.is_variant]
    agreement = _agreement(compared, tree, trees, valid)
    kinds = {number: difference.kind for number, difference in found.items()}
    return ProductBehaviour(
        tree=tree,
        differences=_differences(compared, tree),
        changed=len(found),
        changed_outside=sum(n in found for n in outside),
        spill=sum(n in found for n in away),
        spill_inputs=len(away),
        new_errors=sum(kind is DifferenceKind.NOW_ERROR for kind in kinds.values()),
        dirty=sum(_is_dirty(compared.before[n], answers[n]) for n in answered),
        fixed_changed=sum(c.is_near_fixed and not c.is_variant and n in found for n, c in enumerate(compared.calls)),
        near_fixed=len(near),
        near_fixed_changed=sum(n in found for n in near),
        errors=sum(is_error(answers[n]) for n in valid),
        odd_types=_odd_types(compared.calls, answers, valid),
        agreement=1.0 if agreement is None else agreement,
        agreement_of_failed=_agreement_of_failed(compared, tree, trees, valid),
    )


def _agreement(compared: Compared, tree: Oid, others: Sequence[Oid], valid: Sequence[int]) -> float | None:
    """The mean share of the others' known answers that are the same; None where there are none."""
    mine = compared.answers[tree]
    pairs = [(mine[n], compared.answers[other][n]) for other in others if other != tree for n in valid]
    return sum(_agree(left, right) for left, right in pairs) / len(pairs) if pairs else None


def _agreement_of_failed(compared: Compared, tree: Oid, trees: Sequence[Oid], valid: Sequence[int]) -> float:
    """The same for products that did not pass, where they give a value: their errors say nothing."""
    mine, found = compared.answers[tree], []
    for other, answers in compared.answers.items():
        for n in valid if other not in trees else ():
            if is_comparable(answers[n]) and not is_error(answers[n]):
                found.append(_agree(mine[n], answers[n]))
    return sum(found) / len(found) if found else 0.0


def _odd_types(calls: Sequence[Call], answers: Sequence[Observation], valid: Sequence[int]) -> int:
    """On how many inputs the answer has a type that no answer to a test's own call has."""
    types = [type_of(answer["steps"][-1].get("value")) if _has_value(answer) else "" for answer in answers]
    known = {types[number] for number, call in enumerate(calls) if not call.is_variant}
    return sum(types[number] not in known | {""} for number in valid) if known - {""} else 0


def _has_value(answer: Observation) -> TypeGuard[Mapping[str, Any]]:
    return is_comparable(answer) and not is_error(answer) and bool((answer or {}).get("steps"))


def _agree(left: Observation, right: Observation) -> bool:
    """Whether two answers are equal, as far as is known: without time for one of them nothing is known."""
    if left is None or right is None:
        return True
    return is_comparable(left) == is_comparable(right) and not differs(left, right, output=False)


def _is_dirty(before: Observation, after: Observation) -> bool:
    """Whether arguments are changed that base leaves as they are."""
    old, new = ((told or {}).get("steps", []) for told in (before, after))
    return any("after" in right and "after" not in left for left, right in zip(old, new, strict=False))


def _differences(compared: Compared, tree: Oid) -> tuple[Difference, ...]:
    found: dict[str, Difference] = {}
    for number in compared.telling(tree):
        difference = _difference(compared, tree, number)
        found.setdefault(difference.call, difference)
        if len(found) == _MOST_DIFFERENCES:
            break
    return tuple(found.values())


def _difference(compared: Compared, tree: Oid, number: int) -> Difference:
    call, difference = compared.shown(tree, number)
    return Difference(
        function=call.function,
        call=call.text[:_MOST_CHARACTERS],
        before=difference.before,
        after=difference.after,
        kind=difference.kind,
        test=call.test,
        is_variant=call.is_variant,
        is_near_fixed=call.is_near_fixed,
    )


def _groups(compared: Compared, trees: Sequence[Oid], valid: Sequence[int]) -> tuple[tuple[Oid, ...], ...]:
    groups: list[list[Oid]] = []
    for tree in trees:
        mine = compared.answers[tree]
        for group in groups:
            if all(_agree(compared.answers[group[0]][number], mine[number]) for number in valid):
                group.append(tree)
                break
        else:
            groups.append([tree])
    return tuple(tuple(group) for group in sorted(groups, key=len, reverse=True))


def _splits(compared: Compared, groups: Sequence[tuple[Oid, ...]], valid: Sequence[int]) -> tuple[Split, ...]:
    """Inputs that tell groups apart: those that split off another pair first, then the shortest."""
    if len(groups) < 2:
        return ()
    found = []
    for number in valid:
        answers: list[tuple[list[Oid], Observation]] = []
        for group in groups:
            mine = compared.answers[group[0]][number]
            known = next((trees for trees, answer in answers if _agree(answer, mine)), None)
            if known is None:
                answers.append((list(group), mine))
            else:
                known.extend(group)
        if len(answers) > 1:
            found.append((number, answers))
    found.sort(key=lambda each: (-len(each[1]), compared.calls[each[0]].is_variant, len(compared.calls[each[0]].text)))
    return tuple(_split(compared, number, answers) for number, answers in found[:_MOST_SPLITS])


def _split(compared: Compared, number: int, answers: Sequence[tuple[list[Oid], Observation]]) -> Split:
    call = compared.calls[number]
    texts = [answer_text(answer) for _, answer in answers]
    if len(set(texts)) < len(texts):  # the last answers are equal: what differs is told
        apart = compare_answers(answers[0][1], answers[1][1]) if all(is_comparable(a) for _, a in answers[:2]) else None
        texts[:2] = [apart.before, apart.after] if apart else texts[:2]
    return Split(
        function=call.function,
        call=call.text[:_MOST_CHARACTERS],
        before=answer_text(compared.before[number]),
        answers=tuple(Answer(trees=tuple(t), answer=text) for (t, _), text in zip(answers, texts, strict=True)),
        test=call.test,
    )
