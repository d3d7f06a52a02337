"""What the driver and its workers send each other, and errors in a form that can be sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo import errors
from gitmimo.errors import MimoError
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence
from gitmimo.git.repository import Ident
from gitmimo.llm.model import ModelInfo
from gitmimo.records import Oid, SessionId
from gitmimo.results import CandidateResult
from gitmimo.workflow.plan import Brief, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One task's input without the objects, which the worker requests if it lacks them. Holds no secret.

    `turn` counts how often the same work was given out: what an earlier turn still sends is refused.
    """

    version: str
    project: str  # names the repository among those whose objects a node keeps
    session: SessionId
    number: int
    turn: int
    base: Oid
    base_ref: str
    tip: Oid  # the candidate's last step that reached the driver, or the base
    tip_ref: str
    author: Ident
    excludes: bytes  # the user's own ignore rules
    sandbox: str
    readable: tuple[str, ...] = ()  # other paths that the tests need, as on the driver


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateWork:
    """A candidate to run."""

    item: WorkItem
    plan: Plan  # without what only the driver has
    brief: Brief
    branch: str
    model: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationWork:
    """A product, at the item's tip, to judge against the driver's measurement of the base."""

    item: WorkItem
    testbed: TestBed  # without what only the driver has
    baseline: Baseline
    required: RequiredFixes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A step's commit, on top of what the driver has, as a bundle."""

    step: int
    parent: Oid
    commit: Oid
    bundle: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a worker. `kind` is objects, model, step or progress; `body` what belongs to it."""

    kind: str
    number: int
    turn: int
    body: Any
    identity: str = ""  # of a question, for its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An expected error on its way between processes."""

    kind: str
    state: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: MimoError) -> "Failure":
        """Take an error apart; one of a class that only its module knows becomes its nearest common one."""
        kind = next(c.__name__ for c in type(error).__mro__ if getattr(errors, c.__name__, None) is c)
        state = {name: value for name, value in vars(error).items() if isinstance(value, (str, int, float, tuple))}
        return cls(kind=kind, state=state)

    def revived(self) -> MimoError:
        """The error again, to be raised."""
        kind: type[MimoError] = getattr(errors, self.kind, MimoError)
        error = kind.__new__(kind)
        error.args = (self.state.get("message", ""),)
        vars(error).update({"message": "", "hint": "", **self.state})
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a task or a question."""

    value: CandidateResult | Evidence | Any = None
    failure: Failure | None = None

    def unwrap(self) -> Any:
        """The value; raises the error where there is one."""
        if self.failure is not None:
            raise self.failure.revived()
        return self.value


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """Run something and keep its expected errors as data."""
    try:
        return Outcome(value=call())
    except MimoError as exc:
        return Outcome(failure=Failure.of(exc))
