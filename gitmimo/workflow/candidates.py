"""One candidate: its worktree, its workspace, its step commits, and the product it leaves."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.agent.strategies import Assignment, run_candidate
from gitmimo.environment.command import Environment, Job, Limits
from gitmimo.errors import MimoError
from gitmimo.git import commit, patch, private, refs, tree, worktree
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.llm.model import Model
from gitmimo.records import (
    CandidateResult,
    CommandResult,
    Oid,
    SessionId,
    Step,
    StopReason,
    Trajectory,
    Usage,
    dump_json,
)
from gitmimo.redact import redact
from gitmimo.workflow.progress import Interrupt, Observer, Progress

TRAJECTORY = ".mimo/trajectory"
# what tests leave behind is no part of a product
_COMMAND_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider", "CI": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a candidate of a session works, and what it is called."""

    session: SessionId
    number: int
    base: Oid
    branch: str  # a full ref name
    directory: Path  # of the session; the worktree is `directory/<number>`

    @property
    def worktree(self) -> Path:
        return self.directory / str(self.number)

    @property
    def private_git(self) -> Path:
        return self.directory / f"{self.number}.git"

    @property
    def index(self) -> Path:
        return self.directory / f"{self.number}.index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all candidates of a session share."""

    environment: Environment
    test_command: str = ""
    setup_command: str = ""
    network: bool = False
    test_timeout_s: float = 600.0
    command_timeout_s: float = 120.0
    copied: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    known_secrets: Mapping[str, str] | None = None


class CandidateWorkspace:
    """A candidate's worktree as the agent sees it: files, commands, the project's visible tests."""

    def __init__(
        self, repository: Repository, place: Place, surroundings: Surroundings, *, cancelled: Callable[[], bool]
    ) -> None:
        self.root = place.worktree
        self._repository = repository
        self._place = place
        self._surroundings = surroundings
        self._cancelled = cancelled

    def run(self, command: str, *, timeout_s: float | None = None) -> CommandResult:
        """Run a command of the agent's in the sandbox."""
        return self._run(command, timeout_s or self._surroundings.command_timeout_s)

    def test(self) -> CommandResult | None:
        """Run the project's test command; None when there is none."""
        if not self._surroundings.test_command:
            return None
        return self._run(self._surroundings.test_command, self._surroundings.test_timeout_s)

    def changes(self) -> str:
        """What differs from the base now, one line a file; empty when nothing does."""
        repository, place = self._repository, self._place
        now = tree.snapshot(repository, self.root, parent=place.base, index=place.index)
        base_tree = tree.without_mimo(repository, repository.tree_of(place.base))
        facts = patch.diff_facts(repository, base_tree, tree.without_mimo(repository, now))
        if not facts.files:
            return ""
        lines = [f"{change.status} {change.path} +{change.added} -{change.removed}" for change in facts.files[:50]]
        return "\n".join([*lines, f"{len(facts.files)} files, +{facts.added} -{facts.removed}"])

    def _run(self, command: str, timeout_s: float) -> CommandResult:
        return self._surroundings.environment.run(
            Job(
                command=command,
                work_tree=self.root,
                private_git=self._place.private_git,
                network=self._surroundings.network,
                limits=Limits(timeout_s=timeout_s),
                env=_COMMAND_ENVIRONMENT | {"MIMO_CANDIDATE": str(self._place.number)},
                cancelled=self._cancelled,
            )
        )


class StepRecorder:
    """Commits each step on the candidate's branch: the code as it is, and the step's record."""

    def __init__(self, repository: Repository, place: Place, surroundings: Surroundings) -> None:
        self._repository = repository
        self._place = place
        self._surroundings = surroundings
        self.tip = place.base

    def __call__(self, step: Step) -> Oid:
        """Commit a step; `.mimo/` of the worktree is left out, only the record is added."""
        repository, place = self._repository, self._place
        record, _ = redact(dump_json(step), self._surroundings.known_secrets or {})
        files = tree.snapshot(repository, place.worktree, parent=place.base, index=place.index)
        mixed = tree.with_mimo_from(repository, files, repository.tree_of(self.tip))
        name = f"{TRAJECTORY}/{place.session}/{place.number}/{step.number:04d}.json"
        whole = tree.put_files(repository, mixed, {name: record.encode()})
        kinds = ", ".join(action.kind.value for action in step.actions) or "no action"
        oid = commit.write_commit(
            repository, tree=whole, parents=(self.tip,), message=f"mimo: step {step.number}: {kinds}\n"
        )
        refs.update_ref(
            repository,
            place.branch,
            oid,
            expected=self.tip,
            reason=f"mimo: step {step.number}",
            worktree=place.worktree,
        )
        self.tip = oid
        return oid


def prepare_place(repository: Repository, place: Place, surroundings: Surroundings) -> None:
    """Make the candidate's branch, worktree and private git; run setup in it.

    Raises WorktreeError when the disk is full or the branch exists; what was made until then is removed.
    """
    place.directory.mkdir(parents=True, exist_ok=True)
    worktree.add_worktree(
        repository,
        place.worktree,
        branch=place.branch.removeprefix("refs/heads/"),
        start=place.base,
        reason=f"git-mimo session {place.session} candidate {place.number}",
    )
    private.make_private_git(repository, place.private_git, place.base, work_tree=place.worktree)
    _bring_ignored_files(repository, place, surroundings)


def _bring_ignored_files(repository: Repository, place: Place, surroundings: Surroundings) -> None:
    checkout = repository.work_tree
    if checkout is None:
        return
    for name in (*surroundings.copied, *surroundings.linked):
        source, target = checkout / name, place.worktree / name
        if not source.exists() or target.exists() or not source.resolve().is_relative_to(checkout.resolve()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in surroundings.linked:
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)


def work(
    repository: Repository,
    place: Place,
    surroundings: Surroundings,
    assignment: Assignment,
    model: Model,
    *,
    strategy: str,
    journal: Journal,
    observe: Observer,
    interrupt: Interrupt,
) -> CandidateResult:
    """Let one candidate work to its end and keep what it made. Every failure becomes its status, not an exception."""
    started = time.monotonic()
    number = place.number
    spent = Usage()
    cost = 0.0
    recorder = StepRecorder(repository, place, surroundings)

    def on_step(step: Step) -> Oid:
        nonlocal spent, cost
        spent = spent + step.reply.usage
        cost += step.reply.cost_usd or 0.0
        oid = recorder(step)
        journal.done("step", candidate=number, step=step.number, commit=oid)
        observe(
            Progress(number=number, phase="work", step=step.number, tokens=spent.total, cost_usd=cost, text=_last(step))
        )
        return oid

    observe(Progress(number=number, phase="work", model=model.name, text=assignment.approach.split("\n")[0][:60]))
    try:
        workspace = CandidateWorkspace(repository, place, surroundings, cancelled=interrupt.is_set)
        trajectory = run_candidate(
            assignment, workspace, model, strategy=strategy, on_step=on_step, stop=interrupt.reason
        )
    except MimoError as exc:
        trajectory = Trajectory(steps=(), stop_reason=StopReason.ERROR, summary=exc.message, usage=spent, cost_usd=cost)
    result = _result(repository, place, assignment, model, strategy, trajectory, recorder.tip)
    return replace(result, seconds=time.monotonic() - started)


def _result(
    repository: Repository,
    place: Place,
    assignment: Assignment,
    model: Model,
    strategy: str,
    trajectory: Trajectory,
    tip: Oid,
) -> CandidateResult:
    """Keep the candidate's last commit under a private ref and say what came of it."""
    kept = refs.candidate_ref(place.session, place.number)
    refs.update_ref(repository, kept, tip, expected=refs.read_ref(repository, kept), reason="mimo: candidate kept")
    return CandidateResult(
        number=place.number,
        branch=place.branch.removeprefix("refs/heads/"),
        approach=assignment.approach,
        model=model.name,
        strategy=strategy,
        status=trajectory.stop_reason.value,
        commit=tip,
        tree=tree.without_mimo(repository, repository.tree_of(tip)),
        steps=len(trajectory.steps),
        usage=trajectory.usage,
        cost_usd=trajectory.cost_usd,
        llm_calls=trajectory.llm_calls,
        summary=trajectory.summary,
    )


def remove_place(repository: Repository, place: Place) -> None:
    """Remove the worktree and what lay beside it; the branch and its commits stay."""
    worktree.remove_worktree(repository, place.worktree)
    shutil.rmtree(place.private_git, ignore_errors=True)
    place.index.unlink(missing_ok=True)


def _last(step: Step) -> str:
    if not step.actions:
        return "thinking"
    action = step.actions[-1]
    about = (action.path or action.text).strip().split("\n")[0]
    return f"{action.kind.value} {about}"[:60]
