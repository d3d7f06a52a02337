"""The verdict follows from the evidence alone."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from gitmimo.behaviour import Answer, BehaviourReport, Difference, DifferenceKind, ProductBehaviour, Split
from gitmimo.evaluator.verdict import decide, rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, DiffFacts, Evidence, FileChange, Gate, Outcome, Verdict
from gitmimo.ids import Oid


def facts(
    number: int,
    *,
    tree: str = "",
    outcome: Outcome = Outcome.PASS,
    fixed: int = 0,
    size: int = 10,
    tokens: int = 100,
    flags: tuple[str, ...] = (),
    path: str = "a.py",
    others: tuple[int, int] = (0, 0),
) -> CandidateFacts:
    evidence = Evidence(
        tree=Oid(tree or f"tree{number}"),
        tested_tree=Oid(tree or f"tree{number}"),
        base=Oid("b"),
        gates=(Gate(name="product", outcome=Outcome.PASS), Gate(name="suite", outcome=outcome, detail="2 broke")),
        fixed_ids=tuple(f"t{n}" for n in range(fixed)),
        diff=DiffFacts(
            files=(FileChange(path=path, status="M", added=size), FileChange(path="t", status="A", added=99))
        ),
        landed_tests=("t",),
        flags=flags,
    )
    return CandidateFacts(
        number=number, evidence=evidence, tokens=tokens, others_passed=others[0], others_run=others[1]
    )


def report(*products: ProductBehaviour, groups: tuple[tuple[str, ...], ...] = (), **counts: Any) -> BehaviourReport:
    """A report over products named as in `facts`."""
    named = tuple(tuple(map(Oid, group)) for group in groups) or tuple((each.tree,) for each in products)
    return BehaviourReport(base=Oid("b"), products=products, groups=named, **{"inputs": 100, "fixed_calls": 4} | counts)


def product(number: int, **counts: Any) -> ProductBehaviour:
    return ProductBehaviour(tree=Oid(f"tree{number}"), **{"changed": 9, "fixed_changed": 4} | counts)


def winner(*candidates: CandidateFacts, opinion: CriticOpinion | None = None) -> int | None:
    """The winner, which must not depend on the order in which candidates are given."""
    found = {decide(order, opinion).winner for order in itertools.permutations(candidates)}
    assert len(found) == 1
    return found.pop()


def test_wrong_first_loses_to_right_second() -> None:
    assert winner(facts(1, outcome=Outcome.FAIL, size=1, fixed=9), facts(2)) == 2


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
def test_nobody_wins_when_nobody_passes(outcome: Outcome) -> None:
    verdict = decide([facts(1, outcome=outcome), CandidateFacts(number=2, evidence=None)])
    assert verdict.winner is None
    assert "gate `suite`: 2 broke" in verdict.ranking[0].reason
    assert verdict.ranking[1].reason == "nothing to judge"
    assert verdict.reason == "none of 2 candidates passed all gates"


def test_no_candidates_and_no_gates_give_no_winner() -> None:
    assert decide([]).winner is None
    empty = Evidence(tree=Oid("t"), tested_tree=Oid("t"), base=Oid("b"), gates=())
    assert decide([CandidateFacts(number=1, evidence=empty)]).winner is None


def test_more_mended_tests_win() -> None:
    assert winner(facts(1, fixed=1, size=1), facts(2, fixed=2, size=50)) == 2


def test_equal_products_are_votes() -> None:
    assert winner(facts(1, size=1), facts(2, tree="same"), facts(3, tree="same")) == 2


def test_smaller_product_then_fewer_tokens_then_lower_number_win() -> None:
    assert winner(facts(1, size=11), facts(2)) == 2
    assert winner(facts(1, tokens=101), facts(2)) == 2
    assert winner(facts(2), facts(1)) == 1


def test_critic_orders_what_the_evidence_leaves_open_and_rescues_nothing() -> None:
    opinion = CriticOpinion(order=((3,), (2,), (1,)))
    assert winner(facts(1, size=3), facts(2), facts(3, outcome=Outcome.FAIL), opinion=opinion) == 2
    assert winner(facts(1, fixed=3), facts(2), opinion=opinion) == 1


def test_tie_of_the_critic_is_broken_by_the_evidence() -> None:
    assert winner(facts(1), facts(2, fixed=1), facts(3), opinion=CriticOpinion(order=((1, 2), (3,)))) == 2


def test_critic_may_reject_all() -> None:
    verdict = decide([facts(1), facts(2)], CriticOpinion(rejected=(1, 2)))
    assert verdict.winner is None
    assert verdict.reason == "the critic rejected all 2 candidates that passed the gates"


def test_critic_that_failed_changes_nothing() -> None:
    candidates = [facts(1, size=30), facts(2)]
    failed = CriticOpinion(failed="down", order=((1,),), rejected=(2,))
    assert decide(candidates, failed).winner == decide(candidates).winner == 2
    assert [r.reason for r in decide(candidates, failed).ranking] == [r.reason for r in decide(candidates).ranking]


def test_candidates_the_critic_did_not_see_come_after_those_it_did() -> None:
    assert winner(facts(1, size=1), facts(2), facts(3), opinion=CriticOpinion(order=((3,), (2,)))) == 3


def test_verdict_explains_itself() -> None:
    verdict: Verdict = decide([facts(1, size=30), facts(2), facts(3, outcome=Outcome.FAIL)])
    assert (
        verdict.reason
        == "candidate 2 wins: 2 of 3 passed all gates; ahead of candidate 1: smaller change (10 against 30)"
    )
    assert [(r.number, r.rank, r.passed) for r in verdict.ranking] == [(2, 1, True), (1, 2, True), (3, 3, False)]
    assert verdict.ranking[1].reason == "passed all gates; behind candidate 2: smaller change (10 against 30)"


def test_order_for_the_critic_holds_each_product_once() -> None:
    candidates = [facts(1, size=30), facts(2, tree="same"), facts(3, tree="same"), facts(4, outcome=Outcome.FAIL)]
    assert rank_without_critic(candidates) == (2, 1)


def test_rejection_of_one_product_counts_for_all_equal_ones() -> None:
    candidates = [facts(1, tree="same"), facts(2, tree="same"), facts(3, size=99)]
    assert winner(*candidates, opinion=CriticOpinion(order=((3,),), rejected=(1,))) == 3


def test_own_tests_do_not_make_a_change_larger() -> None:
    assert winner(facts(1, size=11), facts(2)) == 2
    with_more = facts(2)
    assert with_more.evidence is not None
    assert with_more.evidence.diff.size == 109


def test_flagged_product_loses_to_a_clean_one() -> None:
    assert winner(facts(1, size=1, flags=("review: is equal to everything",)), facts(2)) == 2


def test_tests_of_the_others_count_before_size() -> None:
    assert winner(facts(1, size=1, others=(1, 3)), facts(2, others=(3, 3))) == 2


def test_equal_behaviour_is_a_vote() -> None:
    behaviour = report(product(1), product(2), product(3), groups=(("tree2", "tree3"), ("tree1",)))
    verdict = decide([facts(1, size=1), facts(2), facts(3)], behaviour=behaviour)
    assert verdict.winner == 2
    assert verdict.ranking[0].votes == 2
    assert verdict.doubts == ("candidate 1 passed as well and behaves otherwise than candidate 2",)


def test_three_outvote_one() -> None:
    behaviour = report(*map(product, (1, 2, 3, 4)), groups=(("tree2", "tree3", "tree4"), ("tree1",)))
    verdict = decide([facts(1, size=1), facts(2), facts(3), facts(4)], behaviour=behaviour)
    assert verdict.winner == 2
    assert verdict.settled, verdict.doubts


def test_products_that_failed_break_a_tie() -> None:
    behaviour = report(product(1, agreement=0.9), product(2, agreement=0.9, agreement_of_failed=0.5))
    assert decide([facts(1, size=1), facts(2)], behaviour=behaviour).winner == 2


def test_errors_and_odd_types_count_against_agreement() -> None:
    behaviour = report(product(1, agreement=0.9, odd_types=3), product(2, agreement=0.9), valid=100)
    assert decide([facts(1, size=1), facts(2)], behaviour=behaviour).winner == 2


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({"spill": 5, "spill_inputs": 50}, "changes fewer answers outside the calls of the fixed tests (0 against 5)"),
        ({"dirty": 2}, "changes its arguments on fewer inputs (0 against 2)"),
        ({"new_errors": 2}, "fewer new errors (0 against 2)"),
        ({"near_fixed": 20, "near_fixed_changed": 1}, "changes more than the answers that tests ask for"),
    ],
)
def test_behaviour_decides_between_products_that_pass(worse: dict[str, int], words: str) -> None:
    verdict = decide([facts(1, size=1), facts(2)], behaviour=report(product(1, **worse), product(2)))
    assert verdict.winner == 2
    assert words in verdict.reason


ONE = [facts(1, fixed=1)]


@pytest.mark.parametrize(
    ("behaviour", "doubt"),
    [
        (report(product(1)), ""),
        (report(product(1), fixed_calls=1), "what is right is shown by 1 call of the fixed tests only"),
        (report(product(1), fixed_calls=0), "what is right is shown by no test that failed before"),
        (report(product(1, changed=0), fixed_calls=0), ""),
        (report(product(1, dirty=1)), "it changes its arguments on 1 inputs"),
        (report(product(1, near_fixed=20, near_fixed_changed=2)), "it may be made for those inputs only"),
        (report(product(1, spill=9, spill_inputs=20, near_fixed=10, near_fixed_changed=2)), "answers near tests that"),
        (report(product(1, spill=9, spill_inputs=20, near_fixed=10, near_fixed_changed=9)), ""),
        (report(product(1, new_errors=4)), "it raises an error on 4 inputs"),
        (BehaviourReport(base=Oid("b"), problem="no function changed"), "what is right is shown by 1 fixed test only"),
        (None, "was not compared with the base"),
    ],
)
def test_one_product_alone_is_settled_by_enough_evidence_only(behaviour: BehaviourReport | None, doubt: str) -> None:
    verdict = decide(ONE, behaviour=behaviour)
    assert verdict.winner == 1
    assert verdict.settled is not bool(doubt), verdict.doubts
    assert doubt in "; ".join(verdict.doubts)
    assert decide(ONE, behaviour=behaviour, trust_tests=True).settled


def test_documents_need_no_second_opinion() -> None:
    assert decide([facts(1, path="README.md")]).settled
    assert not decide([facts(1)]).settled


def test_two_that_disagree_are_a_question_with_its_inputs() -> None:
    split = Split(
        function="a.py::f",
        call="f(1)",
        before="0",
        answers=(Answer(trees=(Oid("tree1"),), answer="5"), Answer(trees=(Oid("tree2"),), answer="7")),
    )
    verdict = decide([facts(1, fixed=1), facts(2, fixed=1)], behaviour=report(product(1), product(2), splits=(split,)))
    assert not verdict.settled
    assert verdict.doubts == ("candidate 2 passed as well and behaves otherwise than candidate 1",)
    assert verdict.inputs == ("f(1): before 0; candidate 1 5, candidate 2 7",)


def test_two_that_could_not_be_compared_are_not_said_to_behave_otherwise() -> None:
    apart = ((Oid("tree1"),), (Oid("tree2"),))
    behaviour = BehaviourReport(base=Oid("b"), problem="no call could be recorded", groups=apart)
    verdict = decide([facts(1, fixed=1), facts(2, fixed=1)], behaviour=behaviour)
    assert verdict.doubts[0] == "candidate 2 passed as well, and could not be compared with candidate 1"
    alike = replace(behaviour, groups=((Oid("tree1"), Oid("tree2")),))
    assert decide([facts(1, fixed=1), facts(2, fixed=1)], behaviour=alike).settled


def test_difference_from_before_is_shown_where_one_is_alone() -> None:
    difference = Difference(function="f", call="f(2)", before="1", after="3", kind=DifferenceKind.OTHER_ANSWER)
    verdict = decide(ONE, behaviour=report(product(1, differences=(difference,)), fixed_calls=1))
    assert verdict.inputs == ("f(2): before 1; now 3",)


def test_test_that_passed_on_base_in_a_third_run_fixed_nothing_for_certain() -> None:
    behaviour = report(product(1, fixed_changed=4), passing_on_base=("t0",))
    verdict = decide([facts(1, fixed=4)], behaviour=behaviour)
    assert not verdict.settled
    assert "these count as fixed, but passed on base in a third run: t0" in verdict.doubts
    assert decide([facts(1, fixed=4)], behaviour=report(product(1, fixed_changed=4))).settled


def test_flag_is_a_doubt_that_no_critic_and_no_trust_lifts() -> None:
    flagged = [facts(1, fixed=1, flags=("review: ends processes without clean-up",))]
    opinion = CriticOpinion(order=((1,),), model="other/model")
    for trust in (False, True):
        verdict = decide(flagged, opinion, report(product(1)), trust_tests=trust)
        assert verdict.doubts == ("ends processes without clean-up",)


def test_critic_of_another_model_confirms_and_a_self_review_does_not() -> None:
    thin = report(product(1), fixed_calls=1)
    assert decide(ONE, CriticOpinion(order=((1,),)), thin).settled
    assert not decide(ONE, CriticOpinion(order=((1,),), is_self_review=True), thin).settled
    assert not decide(ONE, CriticOpinion(failed="down"), thin).settled


@pytest.mark.parametrize(
    ("workers", "inner", "settled"), [("a", 4, False), ("aaa", 3, False), ("aaa", 4, True), ("ab", 4, True)]
)
def test_fixed_calls_without_a_difference_are_no_doubt_where_the_project_makes_them_and_several_agree(
    workers: str, inner: int, settled: bool
) -> None:
    numbers = range(1, len(workers) + 1)
    alike = [product(number, changed=0, fixed_changed=0, near_fixed=40) for number in numbers]
    groups = (tuple(f"tree{number}" for number in numbers),)
    candidates = [replace(facts(n, fixed=1), worker=worker) for n, worker in zip(numbers, workers, strict=True)]
    verdict = decide(candidates, behaviour=report(*alike, groups=groups, inner_fixed_calls=inner))
    doubt = "outside of a test run it answers all 4 calls of the fixed tests as before"
    assert verdict.doubts == (() if settled else (doubt,))


@pytest.mark.parametrize(
    ("workers", "calls", "settled"),
    [("a", 3, False), ("aa", 3, False), ("ab", 1, True), ("aaa", 1, False), ("aaa", 2, True)],
)
def test_a_broad_change_of_answers_takes_two_models_or_three_answers_to_several_calls(
    workers: str, calls: int, settled: bool
) -> None:
    numbers = range(1, len(workers) + 1)
    broad = [product(number, spill=9, spill_inputs=20) for number in numbers]
    behaviour = report(*broad, groups=(tuple(f"tree{number}" for number in numbers),), fixed_calls=calls)
    candidates = [replace(facts(n, fixed=1), worker=worker) for n, worker in zip(numbers, workers, strict=True)]
    verdict = decide(candidates, behaviour=behaviour)
    assert verdict.settled is settled, verdict.doubts
    assert settled or "it changes 9 of 20 answers" in verdict.doubts[0]
