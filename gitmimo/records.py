"""The records of a candidate's work, from chat messages to its trajectory, and what it and its session came to."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitmimo.evidence import Evidence, Verdict
from gitmimo.ids import Oid, SessionId, SessionStatus


class StopReason(enum.StrEnum):
    """Why a trajectory ended."""

    FINISHED = "finished"
    GAVE_UP = "gave_up"
    LOOP = "loop"
    STEPS = "steps"
    BUDGET = "budget"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    TAMPERED = "tampered"  # it replaced what leads git to the repository: never judged, never merged
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one or more model calls. `prompt` includes `cached`, read from a cache, and `cache_written`."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    cache_written: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            completion=self.completion + other.completion,
            cache_written=self.cache_written + other.cache_written,
        )

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One function call a model asked for; `arguments` is the JSON text as it came."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message. `role` is system, user, assistant or tool; `reasoning` is that of the assistant's `Reply`."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function offered to a model; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered. `cost_usd` is None when the price is unknown.

    Without `usage_known` the server did not say what it counted: `usage` is an estimate, or the most that it can be.
    `reasoning` is what the provider wants back within the same turn: message fields as JSON, empty where it wants none.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    usage: Usage = Usage()
    usage_known: bool = True
    cost_usd: float | None = 0.0
    finish_reason: str = "stop"  # stop, length, tool_calls, refusal, cancelled
    model: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What one command did. `output` is stdout and stderr as they came, cut in the middle past the capture cap."""

    command: str
    exit_code: int
    output: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    killed_by_limit: str = ""  # names the limit (memory, output, processes, disk) when one was hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the user wants, word for word, and the commands that say whether it is done."""

    text: str
    test_command: str = ""
    accept_commands: tuple[str, ...] = ()


class ActionKind(enum.StrEnum):
    """What a step can do."""

    SHELL = "shell"
    READ = "read"
    EDIT = "edit"
    WRITE = "write"
    SHOW = "show"
    NOTE = "note"
    PLAN = "plan"
    FINISH = "finish"
    GIVE_UP = "give_up"
    TEST = "test"  # the patch strategy's own test run
    INVALID = "invalid"  # a reply that holds no action


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a model asked for. Fields that a kind does not use stay empty.

    SHELL: `text` command, `timeout_s`. READ: `path`, `first`, `last`. EDIT: `path`, `old`, `text` (new), `replace_all`.
    WRITE: `path`, `text`. SHOW: `text` names the output, `first`, `last`. FINISH: `title`, `text`. NOTE, PLAN, GIVE_UP:
    `text`. INVALID: `text` says what was wrong. Lines count from 1; 0 stands for the beginning or the end. A call that
    asks for several things makes several actions with one `call_id`.
    """

    kind: ActionKind
    text: str = ""
    path: str = ""
    old: str = ""
    timeout_s: float | None = None
    call_id: str = ""
    replace_all: bool = False
    first: int = 0
    last: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What came of one action, as the model is told it. `changed`: files differ from before the action."""

    text: str
    exit_code: int | None = None
    seconds: float = 0.0
    truncated: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model reply and what it did. Numbered from 1 within its candidate."""

    number: int
    reply: Reply
    actions: tuple[Action, ...]
    observations: tuple[Observation, ...]  # as many as actions
    started: datetime
    commit: Oid | None = None
    changed_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """A candidate's steps in order, why they ended, and what they cost."""

    steps: tuple[Step, ...]
    stop_reason: StopReason
    summary: str = ""  # the finish or give-up text, or the error's message
    title: str = ""  # of the change, in one line, where the agent gave one
    remarks: tuple[str, ...] = ()  # what a person who judges the product should know
    usage: Usage = Usage()
    cost_usd: float = 0.0
    seconds: float = 0.0
    llm_calls: int = 0


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
