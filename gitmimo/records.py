"""The words of git-mimo as frozen records: task, candidate, step, trajectory, product, evidence, verdict."""

import dataclasses
import enum
import functools
import json
import re
import secrets
import time
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NewType

Oid = NewType("Oid", str)
"""A full hexadecimal object id, of a commit, tree or blob."""

SessionId = NewType("SessionId", str)
"""Ten lower-case base32hex characters; sorts by time of creation."""

_ID_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_ID_EPOCH_S = 1_735_689_600  # 2025-01-01 UTC
_ID_PATTERN = re.compile(r"[0-9a-v]{10}\Z")


def new_session_id(*, now_s: float | None = None) -> SessionId:
    """Make an id: 34 bits of tenths of a second since 2025 (until 2079), then 16 random bits."""
    tenths = int(((time.time() if now_s is None else now_s) - _ID_EPOCH_S) * 10) & ((1 << 34) - 1)
    number = (tenths << 16) | secrets.randbits(16)
    return SessionId("".join(_ID_DIGITS[(number >> shift) & 31] for shift in range(45, -1, -5)))


def is_session_id(text: str) -> bool:
    """Say whether the text has the form of a session id."""
    return bool(_ID_PATTERN.match(text))


def utc_now() -> datetime:
    """Return the time now, aware, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


class Outcome(enum.StrEnum):
    """What one check said. UNKNOWN counts as a failure wherever a decision is made."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


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


class SessionStatus(enum.StrEnum):
    """How a session stands; the first two mean that it isn't over."""

    RUNNING = "running"
    STOPPED = "stopped"
    PASSED = "passed"
    FAILED = "failed"
    BUDGET = "budget"
    ERROR = "error"
    INTERRUPTED = "interrupted"


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
    """One chat message. `role` is system, user, assistant or tool."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


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
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    usage_known: bool = True
    cost_usd: float | None = 0.0
    finish_reason: str = "stop"  # stop, length, tool_calls, cancelled
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

    SHELL: `text` command, `timeout_s`. EDIT: `path`, `old`, `text` (new). WRITE: `path`, `text`.
    SHOW: `text` step number. NOTE, PLAN, FINISH, GIVE_UP: `text`. INVALID: `text` says what was wrong.
    """

    kind: ActionKind
    text: str = ""
    path: str = ""
    old: str = ""
    timeout_s: float | None = None
    call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What came of one action, as the model is told it."""

    text: str
    exit_code: int | None = None
    seconds: float = 0.0
    truncated: bool = False


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
    usage: Usage = Usage()
    cost_usd: float = 0.0
    seconds: float = 0.0
    llm_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What one gate said about one product; `name` is one of the evaluator's gate names."""

    name: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


class TestOutcome(enum.StrEnum):
    """What one test case said."""

    __test__ = False  # not a pytest class

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """One run of one test command, by test id. Without a report `cases` is empty and only the exit code speaks."""

    __test__ = False

    command: str
    exit_code: int
    cases: Mapping[str, TestOutcome] = field(default_factory=dict)
    has_report: bool = False
    output: str = ""
    seconds: float = 0.0
    timed_out: bool = False

    def count(self, *outcomes: TestOutcome) -> int:
        """How many cases ended in one of these outcomes."""
        return sum(outcome in outcomes for outcome in self.cases.values())

    @property
    def passed_ids(self) -> frozenset[str]:
        return frozenset(name for name, outcome in self.cases.items() if outcome is TestOutcome.PASSED)

    @property
    def failed_ids(self) -> frozenset[str]:
        return frozenset(
            name for name, outcome in self.cases.items() if outcome in (TestOutcome.FAILED, TestOutcome.ERROR)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One changed path of a product. `status` is git's letter: A, D, M, R, T."""

    path: str
    status: str
    added: int = 0
    removed: int = 0
    old_path: str = ""
    is_binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffFacts:
    """Facts about a product's diff."""

    files: tuple[FileChange, ...] = ()

    @property
    def added(self) -> int:
        return sum(change.added for change in self.files)

    @property
    def removed(self) -> int:
        return sum(change.removed for change in self.files)

    @property
    def size(self) -> int:
        return self.added + self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured about one product tree; belongs to the tree, not to a commit.

    `tree` is the product tree without `.mimo/`, `tested_tree` the tree the checks ran on (protected paths from base).
    """

    tree: Oid
    tested_tree: Oid
    base: Oid
    gates: tuple[Gate, ...]
    commands: tuple[str, ...] = ()
    fingerprint: str = ""
    diff: DiffFacts = DiffFacts()
    tests_passed: int = 0
    tests_run: int = 0
    fixed_ids: tuple[str, ...] = ()
    broken_ids: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    flaky_ids: tuple[str, ...] = ()
    new_tests_passed: int = 0
    new_tests_failing_on_base: int = 0
    restored_paths: tuple[str, ...] = ()  # protected paths that the product changed and base replaced
    flags: tuple[str, ...] = ()  # what a person should look at
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """All gates passed or did not apply, and at least one was there to say so."""
        return bool(self.gates) and all(g.outcome in (Outcome.PASS, Outcome.SKIPPED) for g in self.gates)

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        return tuple(g for g in self.gates if g.outcome not in (Outcome.PASS, Outcome.SKIPPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFacts:
    """What the verdict may know of a candidate besides its evidence: nothing of its arguments."""

    number: int
    evidence: Evidence | None  # None: nothing to judge
    tokens: int = 0
    vote_key: str = ""  # equal for products that differ in layout only; the tree when empty


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticOpinion:
    """What the critic said. `order` holds candidate numbers, best first, ties as one inner tuple."""

    order: tuple[tuple[int, ...], ...] = ()
    rejected: tuple[int, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)  # "n" or "n:path" -> comment
    rubric: str = ""
    model: str = ""
    failed: str = ""  # why there is no opinion; everything else is then empty


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCandidate:
    """A candidate's place in a verdict; equal trees share one evidence and count as votes."""

    number: int
    rank: int
    passed: bool
    votes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision over a session's evidence. `winner` is None when no candidate may be merged."""

    winner: int | None
    ranking: tuple[RankedCandidate, ...]
    reason: str
    critic: CriticOpinion | None = None


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
    evidence: Evidence | None = None
    agent: str = "mimo"  # whose program worked; `mimo` is our own

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
    assumptions: tuple[str, ...] = ()  # what was taken for granted because nobody was asked


# --- records as JSON -------------------------------------------------------------------------------------------------


def to_json(record: Any) -> Any:
    """Turn a record into plain JSON values; tuples become lists, enums their values, times ISO text."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {f.name: to_json(getattr(record, f.name)) for f in dataclasses.fields(record)}
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, datetime):
        return record.isoformat()
    if isinstance(record, Mapping):
        return {str(key): to_json(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_json(value) for value in record]
    if isinstance(record, (set, frozenset)):
        return sorted(to_json(value) for value in record)
    return record


T = typing.TypeVar("T")


def from_json(kind: type[T], value: Any) -> T:
    """Rebuild a record from `to_json`'s values. Unknown keys raise ValueError; absent ones take their defaults."""
    read: Callable[[Any], T] = _reader(typing.cast(Any, kind))
    return read(value)


def dump_json(record: Any) -> str:
    """Serialise a record to one stable line: sorted keys, no spaces."""
    return json.dumps(to_json(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes values of one type from plain JSON values; made once, for journals hold thousands of records."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        present = _reader(next(option for option in inner if option is not type(None)))
        return lambda value: None if value is None else present(value)
    if isinstance(kind, NewType):
        return _as_it_is
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record_reader(kind)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        each = _reader(inner[0])
        return lambda value: tuple(each(item) for item in value)
    if origin is tuple:
        parts = [_reader(part) for part in inner]
        return lambda value: tuple(part(item) for part, item in zip(parts, value, strict=True))
    if origin in (frozenset, set):
        each = _reader(inner[0])
        return lambda value: frozenset(each(item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        each = _reader(inner[1])
        return lambda value: {key: each(item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    if kind is datetime:
        return datetime.fromisoformat
    return _as_it_is


def _record_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in dataclasses.fields(kind)}

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{kind.__name__} is not an object: {value!r:.80}")
        unknown = sorted(set(value) - readers.keys())
        if unknown:
            raise ValueError(f"unknown key in {kind.__name__}: {', '.join(unknown)}")
        return kind(**{name: readers[name](item) for name, item in value.items()})

    return read


def _as_it_is(value: Any) -> Any:
    return value
