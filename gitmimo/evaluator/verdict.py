"""The decision over all evidence of a session: pure, explained, and always the same for the same evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence, RankedCandidate, Verdict


def decide(candidates: Sequence[CandidateFacts], opinion: CriticOpinion | None = None) -> Verdict:
    """Rank the candidates and name a winner, or none.

    Gates come first: who failed one, or has no evidence, can't win. Among those who passed: not rejected by the
    critic, then the critic's order, tests mended, votes by equal trees, smaller product, fewer tokens, lower number.
    An opinion that failed counts as none.
    """
    heard = _Heard(candidates, opinion if opinion is not None and not opinion.failed else None)
    votes = _votes(candidates)
    places = [_place(candidate, heard, votes[candidate.number]) for candidate in candidates]
    places.sort(key=lambda place: place.key)
    winner = next((place for place in places if place.passed and not place.rejected), None)
    ranking = tuple(
        RankedCandidate(
            number=place.number, rank=rank, passed=place.passed, votes=place.votes, reason=_reason(place, rank, places)
        )
        for rank, place in enumerate(places, start=1)
    )
    return Verdict(
        winner=winner.number if winner else None,
        ranking=ranking,
        reason=_verdict_reason(winner, places),
        critic=opinion,
    )


def rank_without_critic(candidates: Sequence[CandidateFacts]) -> tuple[int, ...]:
    """The numbers of those that passed all gates, in the verdict's order, one for each product tree."""
    seen: set[str] = set()
    order = []
    for ranked in decide(candidates).ranking:
        tree = next(c.evidence.tree for c in candidates if c.number == ranked.number and c.evidence)
        if ranked.passed and tree not in seen:
            seen.add(tree)
            order.append(ranked.number)
    return tuple(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    number: int
    passed: bool
    rejected: bool
    critic_rank: int
    fixed: int
    votes: int
    size: int
    tokens: int
    gates_passed: int
    why_not: str

    @property
    def key(self) -> tuple[int, ...]:
        """Smaller is better. Only numbers, so that the order never depends on what text says."""
        return (
            not self.passed,
            self.rejected,
            self.critic_rank,
            -self.gates_passed if not self.passed else 0,
            -self.fixed,
            -self.votes,
            self.size,
            self.tokens,
            self.number,
        )


_MEASURES = (
    ("critic_rank", "preferred by the critic", False),
    ("fixed", "mends more tests", True),
    ("votes", "more candidates reached the same product", True),
    ("size", "smaller change", False),
    ("tokens", "fewer tokens", False),
    ("number", "lower number, all else equal", False),
)


class _Heard:
    """The critic's opinion by product: it sees equal products once, and means all of them."""

    def __init__(self, candidates: Sequence[CandidateFacts], opinion: CriticOpinion | None) -> None:
        trees = {c.number: c.evidence.tree for c in candidates if c.evidence}
        order = opinion.order if opinion else ()
        self._ranks = {trees[n]: place for place, tied in enumerate(order) for n in tied if n in trees}
        self._rejected = {trees[n] for n in (opinion.rejected if opinion else ()) if n in trees}
        self._last = len(order)

    def rank(self, evidence: Evidence) -> int:
        return self._ranks.get(evidence.tree, self._last)

    def rejects(self, evidence: Evidence) -> bool:
        return evidence.tree in self._rejected


def _place(candidate: CandidateFacts, heard: _Heard, votes: int) -> _Place:
    evidence = candidate.evidence
    passed = evidence is not None and evidence.passed
    return _Place(
        number=candidate.number,
        passed=passed,
        rejected=evidence is not None and evidence.passed and heard.rejects(evidence),
        critic_rank=heard.rank(evidence) if evidence is not None and evidence.passed else 0,
        fixed=len(evidence.fixed_ids) if evidence else 0,
        votes=votes,
        size=evidence.diff.size if evidence else 0,
        tokens=candidate.tokens,
        gates_passed=_gates_passed(evidence),
        why_not=_why_not(evidence),
    )


def _votes(candidates: Sequence[CandidateFacts]) -> dict[int, int]:
    keys = [_vote_key(candidate) for candidate in candidates]
    return {c.number: keys.count(key) if key else 0 for c, key in zip(candidates, keys, strict=True)}


def _vote_key(candidate: CandidateFacts) -> str:
    return candidate.vote_key or (candidate.evidence.tree if candidate.evidence else "")


def _gates_passed(evidence: Evidence | None) -> int:
    """How far a product came: the gates before the first that failed."""
    count = 0
    for gate in evidence.gates if evidence else ():
        if gate in (evidence.failed_gates if evidence else ()):
            break
        count += 1
    return count


def _why_not(evidence: Evidence | None) -> str:
    if evidence is None:
        return "nothing to judge"
    if not evidence.gates:
        return "no gate was run"
    failed = evidence.failed_gates
    return f"gate `{failed[0].name}`: {failed[0].detail or failed[0].outcome.value}" if failed else ""


def _reason(place: _Place, rank: int, places: Sequence[_Place]) -> str:
    if not place.passed:
        return f"failed {place.why_not}" if place.why_not.startswith("gate") else place.why_not
    if place.rejected:
        return "passed all gates, rejected by the critic"
    if rank == 1:
        return "passed all gates" + (f"; {_advantage(place, places[1])}" if _has_rival(places) else "")
    return f"passed all gates; behind candidate {places[rank - 2].number}: {_advantage(places[rank - 2], place)}"


def _has_rival(places: Sequence[_Place]) -> bool:
    return len(places) > 1 and places[1].passed


def _advantage(better: _Place, worse: _Place) -> str:
    """The first measure in which one place is ahead of another."""
    if worse.rejected and not better.rejected:
        return "the other was rejected by the critic"
    for name, words, more in _MEASURES:
        a, b = getattr(better, name), getattr(worse, name)
        if a != b and (a > b) == more:
            return words if name in ("critic_rank", "number") else f"{words} ({a} against {b})"
    return "all else equal"


def _verdict_reason(winner: _Place | None, places: Sequence[_Place]) -> str:
    if not places:
        return "there was no candidate"
    passed = [place for place in places if place.passed]
    if winner is not None:
        rival = next((place for place in passed if place is not winner), None)
        ahead = f"; ahead of candidate {rival.number}: {_advantage(winner, rival)}" if rival else ""
        return f"candidate {winner.number} wins: {len(passed)} of {len(places)} passed all gates{ahead}"
    if passed:
        return f"the critic rejected all {len(passed)} candidates that passed the gates"
    return f"none of {len(places)} candidates passed all gates"
