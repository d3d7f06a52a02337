"""What was measured about a product and what was decided: gates, test reports, diff facts, evidence, verdict."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitmimo.behaviour import BehaviourReport
from gitmimo.ids import Oid


class Outcome(enum.StrEnum):
    """What one check said. UNKNOWN counts as a failure wherever a decision is made."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


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
    def paths(self) -> frozenset[str]:
        """Every path that it touches, those of before a rename too."""
        return frozenset(path for change in self.files for path in (change.path, change.old_path) if path)

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
    What lands is `result_tree`: the tested tree and the candidate's new tests that pass on it. `tests_tree` is the same
    with its changes to existing tests, which land as a commit of their own.
    """

    tree: Oid
    tested_tree: Oid
    base: Oid
    result_tree: Oid | None = None  # None in evidence of before: the tested tree
    tests_tree: Oid | None = None
    gates: tuple[Gate, ...]
    commands: tuple[str, ...] = ()
    fingerprint: str = ""
    diff: DiffFacts = DiffFacts()
    tests_passed: int = 0
    tests_run: int = 0
    fixed_ids: tuple[str, ...] = ()  # the test command itself where it failed and only its exit code is known
    accepted_by: tuple[str, ...] = ()  # the person's own commands that passed
    broken_ids: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    flaky_ids: tuple[str, ...] = ()
    new_tests_passed: int = 0
    proving_tests: tuple[str, ...] = ()  # its own tests that fail on base and pass on it
    landed_tests: tuple[str, ...] = ()  # new test files that are part of the result
    changed_tests: tuple[str, ...] = ()  # existing ones whose changes are
    restored_paths: tuple[str, ...] = ()  # other protected paths that the product changed and base replaced
    uncovered: tuple[str, ...] = ()  # changed lines that no test runs, as path:first-last; path:line (condition)
    flags: tuple[str, ...] = ()  # what a person should look at
    output: str = ""  # the end of what the failing command said; empty when all gates passed
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """All gates passed or did not apply, and at least one was there to say so."""
        return bool(self.gates) and all(g.outcome in (Outcome.PASS, Outcome.SKIPPED) for g in self.gates)

    @property
    def landed_tree(self) -> Oid:
        """All that a merge brings, without what is remembered of the session."""
        return self.tests_tree or self.result_tree or self.tested_tree

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        return tuple(g for g in self.gates if g.outcome not in (Outcome.PASS, Outcome.SKIPPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFacts:
    """What the verdict may know of a candidate besides its evidence: nothing of its arguments."""

    number: int
    evidence: Evidence | None  # None: nothing to judge
    tokens: int = 0
    others_passed: int = 0  # of the other candidates' tests that count, how many pass on this product
    others_run: int = 0
    worker: str = ""  # the model or agent that made it: two of one kind are wrong together more often


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticOpinion:
    """What the critic said. `order` holds candidate numbers, best first, ties as one inner tuple."""

    order: tuple[tuple[int, ...], ...] = ()
    rejected: tuple[int, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)  # "n" or "n:path" -> comment
    rubric: str = ""
    model: str = ""
    is_self_review: bool = False  # by the model that did the work
    failed: str = ""  # why there is no opinion; everything else is then empty

    @property
    def who(self) -> str:
        """Whose opinion it is, for people."""
        return "self-review" if self.is_self_review else "the critic"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedCandidate:
    """A candidate's place in a verdict; `votes` counts the candidates that passed and behave like it, itself too."""

    number: int
    rank: int
    passed: bool
    votes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision over a session's evidence. `winner` is None when no candidate may be merged.

    `settled` says that the evidence is enough to merge the winner without a person; otherwise `doubts` say what a
    person has to decide, and `inputs` the few that tell most, each with what it gives before and after.
    """

    winner: int | None
    ranking: tuple[RankedCandidate, ...]
    reason: str
    settled: bool = False
    doubts: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    behaviour: BehaviourReport | None = None
    critic: CriticOpinion | None = None
