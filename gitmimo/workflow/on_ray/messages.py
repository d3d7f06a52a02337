"""What the driver and its workers send each other. None of it holds a secret."""

from dataclasses import dataclass
from typing import Any

from gitmimo.git.repository import Ident
from gitmimo.records import Oid, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """What every task gets, without the objects, which the worker requests if it lacks them.

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
