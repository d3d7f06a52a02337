"""What a session and its candidates came to, as it is reported and stored."""

from dataclasses import dataclass
from datetime import datetime

from gitmimo.evidence import Evidence, Verdict
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.records import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """One candidate of a session as it is reported and stored."""

    number: int
    branch: str
    approach: str
    model: str
    strategy: str
    status: str  # a StopReason's value, or `skill`
    commit: Oid | None = None
    tree: Oid | None = None
    steps: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    seconds: float = 0.0
    llm_calls: int = 0
    summary: str = ""
    dropped: tuple[str, ...] = ()  # what it left that counts for nothing, in words
    refused: tuple[str, ...] = ()  # files that were kept out of its commits since they hold a secret, in words
    evidence: Evidence | None = None
    agent: str = "mimo"  # whose program worked; `mimo` is our own
    title: str = ""  # of the change, in one line: the commit's subject

    @property
    def worker(self) -> str:
        """Who worked, for people: the model, and before it the agent where that is not our own."""
        who = self.model or (self.strategy if self.agent == "mimo" else "")
        return who if self.agent == "mimo" else f"{self.agent} {who}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """A session as `start` reports it and `show` reads it back."""

    session: SessionId
    status: SessionStatus
    task: str
    base: Oid
    target_branch: str | None  # None on a detached HEAD
    candidates: tuple[CandidateResult, ...] = ()
    verdict: Verdict | None = None
    result_branch: str | None = None
    result_commit: Oid | None = None
    merged: bool = False
    skill: str | None = None
    usage: Usage = Usage()
    cost_usd: float = 0.0
    seconds: float = 0.0
    llm_calls: int = 0
    started: datetime | None = None
    message: str = ""

    @property
    def winner(self) -> CandidateResult | None:
        """The candidate that the verdict chose."""
        return self.candidate(self.verdict.winner) if self.verdict else None

    def candidate(self, number: int | None) -> CandidateResult | None:
        """The candidate of this number; None where there is none."""
        return next((candidate for candidate in self.candidates if candidate.number == number), None)
