"""The decision over all evidence of a session: pure, explained, and always the same for the same evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gitmimo.behaviour import BehaviourReport
from gitmimo.evaluator.review_flags import needs_review
from gitmimo.evaluator.settled import Contender, changes_of_product, distinguishing_inputs, find_doubts
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, RankedCandidate, Verdict
from gitmimo.ids import Oid


def decide(
    candidates: Sequence[CandidateFacts],
    opinion: CriticOpinion | None = None,
    behaviour: BehaviourReport | None = None,
    *,
    trust_tests: bool = False,
) -> Verdict:
    """Rank the candidates, name a winner or none, and say whether the evidence settles it.

    Gates come first: who failed one, or has no evidence, can't win. Then: not rejected by the critic, nothing that a
    person must look at, tests fixed, candidates that behave the same, and the measures of `_MEASURES` in their order.
    An opinion that failed counts as none. With `trust_tests` the gates alone settle a winner that has no flag.
    """
    critic = _CriticRanks(candidates, opinion if opinion is not None and not opinion.failed else None)
    contenders = _contenders(candidates, critic, behaviour)
    votes = {each.group: each.votes for each in contenders.values()}
    ranked = sorted((_rank(each, critic, votes, behaviour) for each in candidates), key=lambda each: each.key)
    winner = next((each for each in ranked if each.passed and not each.rejected), None)
    verdict = Verdict(
        winner=winner.number if winner else None,
        ranking=tuple(
            RankedCandidate(
                number=each.number,
                rank=rank,
                passed=each.passed,
                votes=each.measures["votes"],
                reason=_reason(each, rank, ranked, who=critic.who),
            )
            for rank, each in enumerate(ranked, start=1)
        ),
        reason=_verdict_reason(winner, ranked, who=critic.who),
        behaviour=behaviour,
        critic=opinion,
    )
    if winner is None:
        return verdict
    mine, others = contenders[winner.number], [*contenders.values()]
    doubts = find_doubts(mine, others, behaviour, opinion, trust_tests=trust_tests)
    inputs = distinguishing_inputs(mine, others, behaviour) if doubts else ()
    return replace(verdict, settled=not doubts, doubts=doubts, inputs=inputs)


def rank_without_critic(
    candidates: Sequence[CandidateFacts], behaviour: BehaviourReport | None = None
) -> tuple[int, ...]:
    """The numbers of those that passed all gates, in the verdict's order, one for each product tree."""
    trees = {c.number: c.evidence.tree for c in candidates if c.evidence}
    first: dict[Oid, int] = {}
    for ranked in decide(candidates, behaviour=behaviour).ranking:
        if ranked.passed:
            first.setdefault(trees[ranked.number], ranked.number)
    return tuple(first.values())


def product_size(evidence: Evidence) -> int:
    """Lines added and removed, tests not counted: a candidate must not lose for bringing some."""
    return sum(change.added + change.removed for change in changes_of_product(evidence))


_MEASURES = (  # name, in words, and whether more is better
    ("flagged", "fewer things that a person must look at", False),
    ("fixed", "fixes more tests", True),
    ("votes", "more candidates behave like it", True),
    ("agreement", "does what the others do, and answers as its tests do, on more inputs, per mille", True),
    ("failed_agree", "does what the candidates that failed do on more inputs, per mille", True),
    ("narrow", "changes more than the answers that tests ask for", False),
    ("dirty", "changes its arguments on fewer inputs", False),
    ("spill", "changes fewer answers outside the calls of the fixed tests", False),
    ("new_errors", "fewer new errors", False),
    ("others_passed", "passes more of the other candidates' tests, percent", True),
    ("critic_rank", "preferred by the critic", False),
    ("changed", "changes fewer answers", False),
    ("size", "smaller change", False),
    ("tokens", "fewer tokens", False),
    ("number", "lower number, all else equal", False),
)
_WITHOUT_NUMBERS = ("narrow", "critic_rank", "number")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    number: int
    passed: bool
    rejected: bool
    gates_passed: int
    measures: Mapping[str, int]
    why_not: str

    @property
    def key(self) -> tuple[int, ...]:
        """Smaller is better. Only numbers, so that the order never depends on what text says."""
        measures = (self.measures[name] * (-1 if more else 1) for name, _, more in _MEASURES)
        return (not self.passed, self.rejected, -self.gates_passed if not self.passed else 0, *measures)


class _CriticRanks:
    """The critic's opinion by product: it sees equal products once, and means all of them."""

    def __init__(self, candidates: Sequence[CandidateFacts], opinion: CriticOpinion | None) -> None:
        trees = {c.number: c.evidence.tree for c in candidates if c.evidence}
        order = opinion.order if opinion else ()
        self._ranks = {trees[n]: place for place, tied in enumerate(order) for n in tied if n in trees}
        self._rejected = {trees[n] for n in (opinion.rejected if opinion else ()) if n in trees}
        self._last = len(order)
        self.who = opinion.who if opinion else "the critic"

    def rank(self, evidence: Evidence) -> int:
        return self._ranks.get(evidence.tree, self._last)

    def rejects(self, evidence: Evidence) -> bool:
        return evidence.tree in self._rejected


def _behaviour_key(evidence: Evidence, behaviour: BehaviourReport | None) -> Oid:
    """Equal for products that behave the same on every input; where nothing was compared, for equal products."""
    group = behaviour.group_of(evidence.tested_tree) if behaviour else ()
    return group[0] if group else evidence.tested_tree


def _contenders(
    candidates: Sequence[CandidateFacts], critic: _CriticRanks, behaviour: BehaviourReport | None
) -> dict[int, Contender]:
    """The candidates that passed and were not rejected, by number, with how many behave the same."""
    passed = {c.number: c.evidence for c in candidates if c.evidence and c.evidence.passed}
    left = {number: evidence for number, evidence in passed.items() if not critic.rejects(evidence)}
    groups = {number: _behaviour_key(evidence, behaviour) for number, evidence in left.items()}
    alike = {group: [c for c in candidates if groups.get(c.number) == group] for group in groups.values()}
    return {
        number: Contender(
            number=number,
            evidence=evidence,
            votes=len(alike[groups[number]]),
            group=groups[number],
            workers=len({other.worker for other in alike[groups[number]]}),
        )
        for number, evidence in left.items()
    }


def _rank(
    candidate: CandidateFacts, critic: _CriticRanks, votes: Mapping[Oid, int], behaviour: BehaviourReport | None
) -> _Ranked:
    evidence = candidate.evidence
    passed = evidence is not None and evidence.passed
    found = behaviour.of(evidence.tested_tree) if behaviour and evidence and passed else None
    measures = {
        "flagged": len(needs_review(evidence.flags)) if evidence else 0,
        "fixed": len(evidence.fixed_ids) if evidence else 0,
        "votes": votes.get(_behaviour_key(evidence, behaviour), 0) if evidence and passed else 0,
        "agreement": round(1000 * found.support(behaviour.valid)) if behaviour and found else 1000,
        "failed_agree": round(1000 * found.agreement_of_failed) if found else 0,
        "narrow": int(found is not None and found.is_narrow),
        "dirty": found.dirty if found else 0,
        "spill": found.spill if found else 0,
        "new_errors": found.new_errors if found else 0,
        "others_passed": 100 * candidate.others_passed // candidate.others_run if candidate.others_run else 100,
        "critic_rank": critic.rank(evidence) if evidence and passed else 0,
        "changed": found.changed_outside if found else 0,
        "size": product_size(evidence) if evidence else 0,
        "tokens": candidate.tokens,
        "number": candidate.number,
    }
    return _Ranked(
        number=candidate.number,
        passed=passed,
        rejected=evidence is not None and passed and critic.rejects(evidence),
        gates_passed=_gates_passed(evidence),
        measures=measures,
        why_not=_why_not(evidence),
    )


def _gates_passed(evidence: Evidence | None) -> int:
    """How far a product came: the gates before the first that failed."""
    gates, failed = (evidence.gates, evidence.failed_gates) if evidence else ((), ())
    return gates.index(failed[0]) if failed else len(gates)


def _why_not(evidence: Evidence | None) -> str:
    if evidence is None:
        return "nothing to judge"
    if not evidence.gates:
        return "no gate was run"
    failed = evidence.failed_gates
    return f"gate `{failed[0].name}`: {failed[0].detail or failed[0].outcome.value}" if failed else ""


def _reason(each: _Ranked, rank: int, ranked: Sequence[_Ranked], *, who: str) -> str:
    if not each.passed:
        return f"failed {each.why_not}" if each.why_not.startswith("gate") else each.why_not
    if each.rejected:
        return f"passed all gates, rejected by {who}"
    if rank == 1:
        has_rival = len(ranked) > 1 and ranked[1].passed
        return "passed all gates" + (f"; {_advantage(each, ranked[1])}" if has_rival else "")
    return f"passed all gates; behind candidate {ranked[rank - 2].number}: {_advantage(ranked[rank - 2], each)}"


def _advantage(better: _Ranked, worse: _Ranked) -> str:
    """The first measure in which one is ahead of another."""
    if worse.rejected and not better.rejected:
        return "the other was rejected in review"
    for name, words, more in _MEASURES:
        a, b = better.measures[name], worse.measures[name]
        if a != b and (a > b) == more:
            return words if name in _WITHOUT_NUMBERS else f"{words} ({a} against {b})"
    return "all else equal"


def _verdict_reason(winner: _Ranked | None, ranked: Sequence[_Ranked], *, who: str) -> str:
    if not ranked:
        return "there was no candidate"
    passed = [each for each in ranked if each.passed]
    if winner is not None:
        rival = next((each for each in passed if each is not winner), None)
        ahead = f"; ahead of candidate {rival.number}: {_advantage(winner, rival)}" if rival else ""
        return f"candidate {winner.number} wins: {len(passed)} of {len(ranked)} passed all gates{ahead}"
    if passed:
        return f"{who} rejected all {len(passed)} candidates that passed the gates"
    if len(ranked) == 1:
        return "the candidate did not pass all gates"
    return f"none of {len(ranked)} candidates passed all gates"
