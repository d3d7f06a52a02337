"""Whether the evidence settles a verdict: what a person would still have to decide, and on which inputs. Pure.

Tests that pass don't show that a change is right: the ones that exist may not tell it from a wrong one. A verdict is
settled when something besides them speaks for the winner, and nothing against it: another candidate that behaves the
same, a critic of another model, or fixed tests that ask for several different answers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from gitmimo.behaviour import BehaviourReport, DifferenceKind, ProductBehaviour
from gitmimo.evaluator.review_flags import REVIEW, needs_review
from gitmimo.evidence import CriticOpinion, Evidence, FileChange
from gitmimo.ids import Oid
from gitmimo.text import counted

FEW_CALLS = 4
"""Fewer different calls of fixed tests than this are met by too many wrong changes."""

_BROAD = 3  # answers changed apart from what was asked for, and at least a tenth of those looked at
_MANY_VOTES = 3  # two against one are right too seldom; three of one model that please a single call may err alike
_MOST_SAME = 20  # inputs without any difference that make a change one of form only
_MOST_INPUTS = 3
_MOST_SHOWN = 80  # characters of a call
_CODE = frozenset((
    ".py", ".pyx", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".go", ".rs", ".java", ".kt", ".scala", ".groovy",
    ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".rb", ".php", ".sh", ".pl", ".ex", ".exs", ".swift", ".lua", ".sql",
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A candidate that passed and was not rejected; `group` is equal for those that behave the same.

    `workers` is how many different models or agents made what behaves like it.
    """

    number: int
    evidence: Evidence
    votes: int
    group: Oid
    workers: int = 1


def find_doubts(
    mine: Contender,
    contenders: Sequence[Contender],
    behaviour: BehaviourReport | None,
    opinion: CriticOpinion | None,
    *,
    trust_tests: bool = False,
) -> tuple[str, ...]:
    """Return the objections to merging the winner, which is `mine`, without a person; none if it is settled."""
    flags = tuple(flag.removeprefix(REVIEW) for flag in needs_review(mine.evidence.flags))
    if trust_tests:
        return flags
    is_accepted = _is_accepted(mine.number, opinion)
    is_confirmed = mine.votes > 1 or is_accepted
    asked = behaviour.fixed_calls if behaviour else 0
    is_seconded = mine.workers > 1 or is_accepted
    is_backed = is_seconded or (mine.votes >= _MANY_VOTES and asked > 1)
    found = behaviour.of(mine.evidence.tested_tree) if behaviour else None
    return (
        *flags,
        *_uncovered(mine.evidence, is_confirmed=is_confirmed),
        *_fixed_by_chance(mine.evidence, behaviour),
        *_unshown(behaviour, found, is_backed=is_backed),
        *(_needs_another_model(found) if found and not is_seconded else ()),
        *(_concerns(found, asked=asked, is_backed=is_backed) if found else ()),
        *_rivals(mine, contenders, behaviour),
        *(() if is_confirmed else _thin(mine.evidence, behaviour, found)),
    )


def distinguishing_inputs(
    mine: Contender, contenders: Sequence[Contender], behaviour: BehaviourReport | None
) -> tuple[str, ...]:
    """The few inputs that show best what a person has to decide, with the answers before and after."""
    if behaviour is None:
        return ()
    numbers = {each.evidence.tested_tree: each.number for each in sorted(contenders, key=lambda each: -each.number)}
    found = behaviour.of(mine.evidence.tested_tree)
    lines = [
        f"{split.call}: before {split.before}; "
        + ", ".join(
            f"candidate {min(numbers[tree] for tree in answer.trees if tree in numbers)} {answer.answer}"
            for answer in split.answers
            if any(tree in numbers for tree in answer.trees)
        )
        for split in behaviour.splits
    ]
    lines += [f"{each.call}: before {each.before}; now {each.after}" for each in (found.differences if found else ())]
    return tuple(lines[:_MOST_INPUTS])


def changes_of_product(evidence: Evidence) -> list[FileChange]:
    """What a product changes apart from tests, and from what is taken from base anyway."""
    tests = {*evidence.landed_tests, *evidence.changed_tests, *evidence.restored_paths}
    return [change for change in evidence.diff.files if change.path not in tests]


def changes_code(evidence: Evidence) -> bool:
    """Whether a product changes more than documents, data and tests."""
    return any(PurePosixPath(change.path).suffix in _CODE for change in changes_of_product(evidence))


def _changes_python(evidence: Evidence) -> bool:
    """Whether a file changed whose functions could have been compared."""
    return changes_code(evidence) and any(change.path.endswith(".py") for change in evidence.diff.files)


def _is_accepted(number: int, opinion: CriticOpinion | None) -> bool:
    """Whether a critic that is not the model at work has looked at it and did not reject it."""
    if opinion is None or opinion.failed or opinion.is_self_review:
        return False
    return any(number in tied for tied in opinion.order)


def _uncovered(evidence: Evidence, *, is_confirmed: bool) -> Iterator[str]:
    """Lines that no test runs; and, where nobody else came to the same, conditions that tests saw one way only."""
    lines = [place for place in evidence.uncovered if " (`" not in place]
    conditions = [] if is_confirmed else [place for place in evidence.uncovered if " (`" in place]
    for what, places in (("runs changed lines", lines), ("tells whether changed conditions matter", conditions)):
        if places:
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            yield f"no test {what}: {', '.join(places[:3])}{more}"


def _fixed_by_chance(evidence: Evidence, behaviour: BehaviourReport | None) -> Iterator[str]:
    """Fixed tests that failed on base twice, and passed there when it was run once more."""
    by_chance = sorted({*evidence.fixed_ids} & {*(behaviour.passing_on_base if behaviour else ())})
    if by_chance:
        yield f"these count as fixed, but passed on base in a third run: {', '.join(by_chance[:3])}"


def _unshown(behaviour: BehaviourReport | None, found: ProductBehaviour | None, *, is_backed: bool) -> Iterator[str]:
    """Fixed tests whose calls have the same answers as before when no test runs.

    Either the product can tell a test run, or what it changes does not show in these answers. The second is likely
    where the project itself makes all of the calls, or variants of them differ, and others behave like it.
    """
    if behaviour is None or found is None or found.problem or not behaviour.fixed_calls or found.fixed_changed:
        return
    may_show_elsewhere = behaviour.inner_fixed_calls == behaviour.fixed_calls or found.near_fixed_changed
    if not (may_show_elsewhere and is_backed):
        yield f"outside of a test run it answers all {behaviour.fixed_calls} calls of the fixed tests as before"


def _needs_another_model(found: ProductBehaviour) -> Iterator[str]:
    """What candidates of one model do alike and wrong: it takes another model to say that it is meant."""
    if found.dirty:
        kind = DifferenceKind.CHANGED_ARGUMENT
        example = next((f", as in {each.call[:_MOST_SHOWN]}" for each in found.differences if each.kind is kind), "")
        yield f"it changes its arguments on {found.dirty} inputs on which they stayed as they were{example}"
    if found.is_narrow and found.fixed_changed:
        yield (
            f"near the inputs of the fixed tests it changes {found.near_fixed_changed} of {found.near_fixed} answers: "
            "it may be made for those inputs only"
        )


def _concerns(found: ProductBehaviour, *, asked: int, is_backed: bool) -> Iterator[str]:
    """What in a product's behaviour nobody asked for; `asked` is how many calls the fixed tests make."""
    if found.problem:
        yield f"its behaviour could not be compared: {found.problem}"
    if is_backed:
        return
    if found.dead_arguments:
        yield f"its answers don't depend on these arguments any more: {', '.join(found.dead_arguments[:3])}"
    if found.unasked and asked:
        yield f"it changes answers of {', '.join(found.unasked[:3])}, which no test to be fixed calls"
    if _is_broad(found, asked):
        yield f"it changes {found.spill} of {found.spill_inputs} answers near tests that passed before"
    if found.new_errors >= _BROAD and found.new_errors * 10 >= found.changed:
        yield f"it raises an error on {found.new_errors} inputs that had an answer"


def _is_broad(found: ProductBehaviour, asked: int) -> bool:
    """Whether many answers changed near tests that passed before.

    Where the fixed tests ask for several answers, as large a share may change there as near those tests.
    """
    if found.spill < _BROAD or found.spill * 10 < found.spill_inputs:
        return False
    is_more = found.spill * found.near_fixed > found.near_fixed_changed * found.spill_inputs
    return asked < FEW_CALLS or is_more


def _rivals(mine: Contender, contenders: Sequence[Contender], behaviour: BehaviourReport | None) -> Iterator[str]:
    """Other candidates that passed and behave otherwise, unless three, and twice as many, are for the winner."""
    groups: dict[Oid, list[int]] = {}
    for each in contenders:
        if each.group != mine.group and (mine.votes < _MANY_VOTES or each.votes * 2 > mine.votes):
            groups.setdefault(each.group, []).append(each.number)
    for numbers in groups.values():
        names = ", ".join(map(str, sorted(numbers)))
        if behaviour is not None and not behaviour.problem:
            yield f"candidate {names} passed as well and behaves otherwise than candidate {mine.number}"
        else:
            yield f"candidate {names} passed as well, and could not be compared with candidate {mine.number}"


def _thin(evidence: Evidence, behaviour: BehaviourReport | None, found: ProductBehaviour | None) -> Iterator[str]:
    """Whether what the tests ask for is too little to tell a right change from a wrong one."""
    if not changes_code(evidence) or evidence.accepted_by:
        return
    alone = "and no second candidate or critic confirms it"
    if set(evidence.fixed_ids) & set(evidence.commands):  # code that ends the process is enough to change it
        yield f"only an exit code shows what is right, {alone}"
        return
    if behaviour is None and _changes_python(evidence):
        yield f"what it does was not compared with the base, {alone}"
        return
    if behaviour is None or found is None or found.problem:
        if evidence.fixed_ids:
            if behaviour is not None and _changes_python(evidence) and len(evidence.fixed_ids) < FEW_CALLS:
                yield f"what is right is shown by {counted(len(evidence.fixed_ids), 'fixed test')} only, {alone}"
            return
        if behaviour is not None and behaviour.unreached:
            names = ", ".join(f"`{name}`" for name in behaviour.unreached[:3])
            yield f"no call of what changed could be recorded, {alone}: {names}"
        else:
            yield f"no test that failed before shows that it does the task, {alone}"
    elif (found.changed or behaviour.inputs < _MOST_SAME) and (count := behaviour.fixed_calls) < FEW_CALLS:
        who = f"{counted(count, 'call')} of the fixed tests only" if count else "no test that failed before"
        yield f"what is right is shown by {who}, {alone}"
