"""Trajectories in the real step format, made by really running commands and edits in a worktree."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gitmimo.codec import dump_json
from gitmimo.evidence import Evidence, Gate, Outcome, RankedCandidate, Verdict
from gitmimo.git.patch import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.git.tree import without_mimo
from gitmimo.memory.effects import without_junk
from gitmimo.memory.material import SessionMaterial
from gitmimo.memory.replay import Bench
from gitmimo.records import Action, ActionKind, Observation, Oid, Reply, SessionId, Step
from gitmimo.results import CandidateResult, SessionResult, SessionStatus
from gitmimo.sandbox.probe import open_sandbox
from tests.conftest import GitBuilder

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = datetime(2026, 1, 3, tzinfo=UTC)


def sh(command: str) -> Action:
    return Action(kind=ActionKind.SHELL, text=command)


def edit(path: str, old: str, new: str) -> Action:
    return Action(kind=ActionKind.EDIT, path=path, old=old, text=new)


def write(path: str, text: str) -> Action:
    return Action(kind=ActionKind.WRITE, path=path, text=text)


@dataclass
class Recorder:
    """One candidate at work: every step is really done in a checkout of its own and committed with its record."""

    git: GitBuilder
    session: str
    number: int
    base: str
    root: Path
    steps: int = 0
    _waiting: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def start(cls, git: GitBuilder, session: str, number: int, *, base: str = "HEAD") -> "Recorder":
        root = git.path.parent / f"{session}-{number}"
        base = git("rev-parse", base)
        git("worktree", "add", "--quiet", "-b", f"mimo/{session}/{number}", str(root), base)
        return cls(git=git, session=session, number=number, base=base, root=root)

    def step(self, *actions: Action, output: str = "") -> "Recorder":
        self.steps += 1
        observations = tuple(self._do(action, output) for action in actions)
        step = Step(
            number=self.steps, reply=Reply(text="thinking"), actions=actions, observations=observations, started=STARTED
        )
        place = self.root / ".mimo/trajectory" / self.session / str(self.number) / f"{self.steps:04d}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(dump_json(step))
        runner = _At(self.root)
        runner("add", "--all")
        runner("commit", "--quiet", "--allow-empty", "-m", f"step {self.steps}")
        return self

    def record_only(self, action: Action, *, output: str) -> None:
        """Add the commit of a step that changed nothing, by one fast import at the end; see `finish`."""
        self.steps += 1
        said = (Observation(text=output, exit_code=0),)
        step = Step(number=self.steps, reply=Reply(text=""), actions=(action,), observations=said, started=STARTED)
        self._waiting.append((self.steps, dump_json(step)))
        if len(self._waiting) >= 59:
            self.finish()

    def finish(self) -> None:
        """Write the commits that wait."""
        if not self._waiting:
            return
        run = _At(self.root)
        parts = []
        parent = run("rev-parse", "HEAD")
        branch = run("symbolic-ref", "HEAD")
        for index, (number, text) in enumerate(self._waiting):
            path = f".mimo/trajectory/{self.session}/{self.number}/{number:04d}.json"
            origin = f"from {parent}\n" if index == 0 else ""
            parts.append(
                f"commit {branch}\ncommitter A <a@example.org> 0 +0000\ndata 1\n.\n{origin}"
                f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n"
            )
        self.git("fast-import", "--quiet", stdin="".join(parts).encode())
        run("reset", "--quiet", "--hard")
        self._waiting.clear()

    @property
    def commit(self) -> Oid:
        return Oid(_At(self.root)("rev-parse", "HEAD"))

    def _do(self, action: Action, output: str) -> Observation:
        path = self.root / action.path
        if action.kind is ActionKind.WRITE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(action.text)
            return Observation(text="written", exit_code=0)
        if action.kind is ActionKind.EDIT:
            text = path.read_text()
            if text.count(action.old) != 1:
                return Observation(text="the old text was not found once", exit_code=1)
            path.write_text(text.replace(action.old, action.text))
            return Observation(text="edited", exit_code=0)
        done = subprocess.run(
            ["bash", "-c", action.text], cwd=self.root, capture_output=True, text=True, check=False, timeout=60
        )
        said = output or (done.stdout + done.stderr)
        return Observation(text=said, exit_code=done.returncode)


@dataclass
class _At:
    path: Path

    def __call__(self, *args: str) -> str:
        done = subprocess.run(["git", "-C", str(self.path), *args], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def candidate(recorder: Recorder, *, passed: bool = True, approach: str = "", **evidence: object) -> CandidateResult:
    repository = Repository.discover(recorder.git.path)
    base = without_mimo(repository, repository.tree_of(recorder.base))
    tree = without_junk(repository, without_mimo(repository, repository.tree_of(recorder.commit)), base)
    gate = Gate(name="tests", outcome=Outcome.PASS if passed else Outcome.FAIL)
    return CandidateResult(
        number=recorder.number,
        branch=f"mimo/{recorder.session}/{recorder.number}",
        approach=approach,
        model="scripted/model",
        strategy="shell",
        status="finished",
        commit=recorder.commit,
        tree=tree,
        steps=recorder.steps,
        evidence=Evidence(
            tree=tree,
            tested_tree=tree,
            base=Oid(recorder.base),
            gates=(gate,),
            diff=diff_facts(repository, base, tree),
            **evidence,  # type: ignore[arg-type]
        ),
    )


def material(
    task: str, *candidates: CandidateResult, session: str, base: str, winner: int | None = 1, **more: object
) -> SessionMaterial:
    ranking = tuple(
        RankedCandidate(number=c.number, rank=n + 1, passed=bool(c.evidence and c.evidence.passed), votes=1, reason="")
        for n, c in enumerate(candidates)
    )
    return SessionMaterial(
        result=SessionResult(
            session=SessionId(session),
            status=SessionStatus.PASSED if winner else SessionStatus.FAILED,
            task=task,
            base=Oid(base),
            target_branch="main",
            candidates=candidates,
            verdict=Verdict(winner=winner, ranking=ranking, reason="gates"),
            started=STARTED,
        ),
        **more,  # type: ignore[arg-type]
    )


def bench_of(git: GitBuilder, kind: str = "none") -> Bench:
    repository = Repository.discover(git.path)
    return Bench(repository=repository, sandbox=open_sandbox(kind), scratch=git.path.parent / "scratch")


@dataclass
class Scenario:
    """A kind of task with its project, the noisy way it was done, and what a careful person would have kept."""

    name: str
    task: str
    files: Mapping[str, str]
    steps: Sequence[Sequence[Action]]
    careful: int  # steps a careful person would write down
    parameters: Mapping[str, str] = field(default_factory=dict)  # expected
    next_task: str = ""  # the same again with other words, to be matched
    next_parameters: Mapping[str, str] = field(default_factory=dict)
    again: bool = False  # whether the next task can be done on top of the first
