"""What the driver and its workers send each other. None of it holds a secret."""

from dataclasses import dataclass
from typing import Any

from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.git.repository import Ident
from gitmimo.llm.model import ModelInfo
from gitmimo.records import Oid, SessionId
from gitmimo.workflow.plan import Brief, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One task's input without the objects, which the worker requests if it lacks them.

    `turn` counts how often the same work was given out: what an earlier turn still sends is refused.
    """

    name: str  # of the work, in its session
    turn: int
    version: str
    project: str  # names the repository among those whose objects a node keeps
    session: SessionId
    base: Oid
    ref: str  # of the candidate's last step that reached the driver, or of the product
    tip: Oid  # what it holds; the base where there is no step
    author: Ident
    excludes: bytes  # the user's own ignore rules
    sandbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateWork:
    """A candidate to run."""

    item: WorkItem
    plan: Plan  # without what only the driver has
    brief: Brief
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
    work: str
    turn: int
    body: Any
    identity: str = ""  # of a question, for its answer
