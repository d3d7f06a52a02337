"""What a session is to do, resolved and checked before anything is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.evidence import CriticOpinion, Evidence
from gitmimo.llm.model import Model
from gitmimo.records import Oid, Task
from gitmimo.results import CandidateResult
from gitmimo.workflow.history import Past
from gitmimo.workflow.workspace import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a session needs to know before it starts, resolved and checked."""

    task: Task
    base: Oid
    target_branch: str | None
    surroundings: Surroundings
    prefix: str  # rules and memory: the stable beginning of every candidate's prompt
    metered: Callable[[int, str], Model]  # candidate number and phase -> model under the budget
    critic: Callable[[Sequence[int], Mapping[int, Evidence], Mapping[int, CandidateResult]], CriticOpinion | None]
    candidates: int
    fan_out_at_once: bool
    takes_turns: Callable[[], bool]  # a local model: parallel candidates would only wait for each other
    strategy: str
    protocol: str
    max_steps: int
    timeout_s: float
    branch_prefix: str = "mimo"
    worktree_root: str = ""
    skill: Callable[[Callable[[], None]], CandidateResult | None] | None = None  # given a way to wait for base's tests
    settings: Mapping[str, Any] = field(default_factory=dict)  # the configuration, to resume with
    assumptions: tuple[str, ...] = ()  # what the task left open and nobody answered
    rungs: int = 1  # of the ladder of models: how many fan-outs it takes to come to the strongest
    hire: Callable[[int], ExternalAgent | None] = lambda _: None  # another agent's program in place of our own loop
    plans_approaches: bool = True  # other agents alone get the built-in ones: no model need be there to be asked
    past: Past | None = None  # what was reached before, when the session is resumed


def fan_outs(candidates: int, rungs: int) -> tuple[tuple[int, ...], ...]:
    """The candidates that start together, one fan-out after the other: one on each rung, all others on the last."""
    alone = min(max(1, rungs - 1), candidates)
    singles = tuple((number,) for number in range(1, alone + 1))
    rest = tuple(range(alone + 1, candidates + 1))
    return (*singles, rest) if rest else singles
