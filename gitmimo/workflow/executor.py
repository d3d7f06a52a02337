"""Where candidates work and their products are judged: in this process, or elsewhere."""

from typing import Protocol

from gitmimo.evidence import Evidence
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.records import Oid
from gitmimo.results import CandidateResult
from gitmimo.workflow.candidates import attempt
from gitmimo.workflow.judging import Judge
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import Interrupt, Observer
from gitmimo.workflow.workspace import Place


class Executor(Protocol):
    """Does the work of a session. Safe for a thread a candidate."""

    def attempt(
        self, plan: Plan, place: Place, approach: str, *, journal: Journal, observe: Observer, interrupt: Interrupt
    ) -> CandidateResult:
        """Let one candidate work to its end; its steps stand on its branch in the session's repository."""

    def evaluate(self, judge: Judge, result: CandidateResult, *, interrupt: Interrupt) -> Evidence:
        """Judge a candidate's product once the base was measured. CheckError when nothing could be found out."""

    def close(self) -> None:
        """Stop what still runs and let go of everything."""


class LocalExecutor:
    """Everything in this process: a thread a candidate, commands in child processes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def attempt(
        self, plan: Plan, place: Place, approach: str, *, journal: Journal, observe: Observer, interrupt: Interrupt
    ) -> CandidateResult:
        """See `Executor`."""
        return attempt(self._repository, plan, place, approach, journal=journal, observe=observe, interrupt=interrupt)

    def evaluate(self, judge: Judge, result: CandidateResult, *, interrupt: Interrupt) -> Evidence:
        """See `Executor`; the judge was given the interrupt when it was made."""
        return judge.evaluate(_product(result))

    def close(self) -> None:
        """Nothing outlives a call."""


def _product(result: CandidateResult) -> Oid:
    assert result.commit is not None
    return result.commit
