"""What a dream is made from: sessions as they were reported, and what people said of them afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass

from gitmimo.memory.outcomes import Label
from gitmimo.records import Oid
from gitmimo.results import CandidateResult, SessionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMaterial:
    """A session with the labels that people gave it. `picked` is the candidate a person chose instead."""

    result: SessionResult
    labels: tuple[Label, ...] = ()
    picked: int | None = None
    told: tuple[str, ...] = ()  # facts that were recalled for it
    test_command: str = ""

    @property
    def winner(self) -> CandidateResult | None:
        """The candidate that counts: a person's pick, else the verdict's, when its gates passed and nobody objected."""
        if {Label.REJECTED, Label.REVERTED} & set(self.labels):
            return None
        number = self.picked if self.picked is not None else self._chosen
        found = next((item for item in self.result.candidates if item.number == number), None)
        return found if found is not None and _passed(found) and found.commit is not None else None

    @property
    def losers(self) -> Iterator[CandidateResult]:
        """The candidates whose gates failed; one that merely was not chosen proves nothing."""
        for item in self.result.candidates:
            if item.evidence is not None and not item.evidence.passed:
                yield item

    def target(self, winner: CandidateResult) -> Oid:
        """What the winner's work became: the result commit, or what was tested, with the base's protected paths."""
        if self.result.result_commit is not None and winner.number == self._chosen:
            return self.result.result_commit
        return winner.evidence.landed_tree if winner.evidence is not None else Oid(winner.commit or "")

    @property
    def _chosen(self) -> int | None:
        return self.result.verdict.winner if self.result.verdict is not None else None


def _passed(candidate: CandidateResult) -> bool:
    return candidate.evidence is not None and candidate.evidence.passed
