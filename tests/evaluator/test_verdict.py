"""The verdict follows from the evidence alone."""

import itertools

import pytest

from gitmimo.evaluator.verdict import decide, rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, DiffFacts, Evidence, FileChange, Gate, Outcome, Verdict
from gitmimo.records import Oid


def facts(
    number: int, *, tree: str = "", outcome: Outcome = Outcome.PASS, fixed: int = 0, size: int = 10, tokens: int = 100
) -> CandidateFacts:
    evidence = Evidence(
        tree=Oid(tree or f"tree{number}"),
        tested_tree=Oid("t"),
        base=Oid("b"),
        gates=(Gate(name="product", outcome=Outcome.PASS), Gate(name="suite", outcome=outcome, detail="2 broke")),
        fixed_ids=tuple(f"t{n}" for n in range(fixed)),
        diff=DiffFacts(files=(FileChange(path="a", status="M", added=size),)),
    )
    return CandidateFacts(number=number, evidence=evidence, tokens=tokens)


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


def test_critic_orders_what_passed_and_rescues_nothing() -> None:
    opinion = CriticOpinion(order=((3,), (2,), (1,)))
    assert winner(facts(1, fixed=3), facts(2), facts(3, outcome=Outcome.FAIL), opinion=opinion) == 2


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


def test_products_that_differ_in_layout_only_are_votes() -> None:
    one, two = (CandidateFacts(number=n, evidence=facts(n).evidence, vote_key="k") for n in (2, 3))
    assert winner(facts(1, size=1), one, two) == 2
