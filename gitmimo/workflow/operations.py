"""Operations and replays as candidates: evidence from really running a script, and candidate 0 before any model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitmimo import mimo_dir, refnames
from gitmimo.config import Config
from gitmimo.errors import NeedsPerson, UsageError
from gitmimo.evaluator.product import inspect_product
from gitmimo.evidence import DiffFacts, Evidence, Gate, Outcome
from gitmimo.git import commit, refs
from gitmimo.git.diff import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.memory.operation import distil_operation
from gitmimo.records import ActionKind, Oid, SessionId, Step
from gitmimo.results import CandidateResult
from gitmimo.workflow.evaluate import NO_TESTS, SessionEvaluator
from gitmimo.workflow.history import read_steps_at
from gitmimo.workflow.progress import Observer, Progress
from gitmimo.workflow.scripts import (
    Grants,
    ScriptMatch,
    ScriptRun,
    ScriptRunner,
    check_granted,
    read_grants,
)

OPERATION_RULES = """\
<operation>
This task is an operation: what counts is what your commands do, and no file needs to change. The commands that exit
with 0 are kept as a script, and run again by sh from a fresh checkout, one after the other; then the commands that must
exit 0 in the end are run beside it. So each command must work from the project's directory, more than once, and without
what earlier failed ones left. Nothing that a command started outlives it here: start a service in the background and
check it in the same command. In the script it lives until the check is done.
</operation>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRun:
    """Judges candidates of an operation: the commands that worked are run again for real until accept holds."""

    repository: Repository
    session: SessionId
    base: Oid
    evaluator: SessionEvaluator
    runner: ScriptRunner
    task: str
    accept: tuple[str, ...]
    granted: tuple[str, ...] = ()

    @property
    def grants(self) -> Grants:
        return read_grants(self.granted)

    def evaluate(self, result: CandidateResult) -> Evidence:
        """Distil a candidate's commands to a script, run it on a fresh tree, and judge what it left."""
        tip = Oid(result.commit or self.base)
        steps = read_steps_at(self.repository, self.session, result.number, base=self.base, tip=tip)
        operation = distil_operation(steps, task=self.task, accept=self.accept, grants=self.granted)
        product = mimo_dir.without_mimo(self.repository, self.repository.tree_of(self.base))
        if operation is None:
            gate = Gate(name="script", outcome=Outcome.FAIL, detail="no command of it did anything")
            return _plain(self.evaluator, product, (gate,), seconds=0.0)
        begun_at = tip if _edits(steps) else self.base
        run = self.runner.run(
            operation.script, operation.values, at=begun_at, accept=operation.accept, grants=self.grants
        )
        return evidence_of(self.evaluator, run)


def evidence_of(evaluator: SessionEvaluator, run: ScriptRun) -> Evidence:
    """Evidence of an operation's run; a tree that it changed faces the project's own gates as well."""
    gates = [
        Gate(name="script", outcome=Outcome.PASS if run.ran else Outcome.FAIL, detail="" if run.ran else run.problem)
    ]
    if run.ran:
        outcome = Outcome.FAIL if run.problem else Outcome.PASS
        gates.append(Gate(name="accept", outcome=outcome, detail=run.problem, seconds=run.seconds))
    repository = evaluator.testbed.repository
    base = mimo_dir.without_mimo(repository, repository.tree_of(evaluator.testbed.base))
    if run.problem or run.tree == base:
        return _plain(evaluator, run.tree if run.ran else base, tuple(gates), seconds=run.seconds)
    if evaluator.testbed.tests is not NO_TESTS:
        found = evaluator.evaluate(run.tree)
        return replace(found, gates=(*gates, *found.gates), seconds=found.seconds + run.seconds)
    findings = inspect_product(repository, base, run.tree, known_secrets=evaluator.testbed.known_secrets)
    outcome = Outcome.FAIL if findings.problems else Outcome.PASS
    gates.append(Gate(name="product", outcome=outcome, detail="; ".join(findings.problems[:5])))
    return _plain(evaluator, run.tree, tuple(gates), seconds=run.seconds)


@dataclass(slots=True)
class ScriptFirst:
    """Tries a skill's script before any model, where the task says exactly what it does."""

    repository: Repository
    base: Oid
    session: SessionId
    match: ScriptMatch
    evaluator: SessionEvaluator
    runner: ScriptRunner
    observe: Observer
    operation: OperationRun | None = None

    def __call__(self, wait_for_base: Callable[[], None]) -> CandidateResult | None:
        """Run the script that fits and judge what it left; None when it isn't approved or lacks a grant."""
        skill = self.match.skill
        granted = self.operation.granted if self.operation else ()
        try:
            check_granted(skill, granted)
            if not self.match.approved:
                raise NeedsPerson(f"`{skill.name}` fits but is not approved", hint="git mimo trust")
        except NeedsPerson as exc:
            self._say(f"{exc.message}: {exc.hint}")
            return None
        self._say(self.match.said)
        accept = self.operation.accept if self.operation else ()
        run = self.runner.run(
            skill.script or "", self.match.values, at=self.base, accept=accept, grants=read_grants(granted)
        )
        wait_for_base()
        if self.operation is not None:
            evidence = evidence_of(self.evaluator, run)
        elif run.problem:
            self._say(f"{skill.name} failed: {run.problem}")
            return None
        else:
            evidence = self.evaluator.evaluate(run.tree)
        if not evidence.passed:
            self._say(f"{skill.name} failed: {'; '.join(gate.detail or gate.name for gate in evidence.failed_gates)}")
        return self._result(run, evidence)

    def _result(self, run: ScriptRun, evidence: Evidence) -> CandidateResult:
        whole = mimo_dir.with_mimo_from(self.repository, run.tree, self.repository.tree_of(self.base))
        skill = self.match.skill
        made = commit.write_commit(
            self.repository, tree=whole, parents=(self.base,), message=f"mimo: skill {skill.name}\n"
        )
        kept = refnames.candidate_ref(self.session, 0)
        before = refs.read_ref(self.repository, kept)
        refs.update_ref(self.repository, kept, made, expected=before, reason="mimo: script run")
        return CandidateResult(
            number=0,
            branch="",
            approach=f"skill {self.match.said}",
            model="",
            strategy="skill",
            status="skill",
            commit=made,
            tree=evidence.tree,
            seconds=run.seconds,
            summary=f"ran the script of the skill {skill.name}" + (f": {run.problem}" if run.problem else ""),
            evidence=evidence,
        )

    def _say(self, text: str) -> None:
        self.observe(Progress(number=0, phase="skill", text=text))


def check_operation(config: Config) -> None:
    """UsageError when nothing says whether an operation worked, or a grant is none."""
    if not config.texts("accept"):
        raise UsageError("an operation needs --accept: a command that exits with 0 when it worked")
    read_grants(config.texts("grants"))


def open_operation(
    config: Config, runner: ScriptRunner, evaluator: SessionEvaluator, session: SessionId, task: str
) -> OperationRun:
    """Set up an operation whose configuration was checked."""
    return OperationRun(
        repository=runner.repository,
        session=session,
        base=evaluator.testbed.base,
        evaluator=evaluator,
        runner=runner,
        task=task,
        accept=config.texts("accept"),
        granted=config.texts("grants"),
    )


def script_first(
    match: ScriptMatch | None,
    runner: ScriptRunner,
    evaluator: SessionEvaluator,
    session: SessionId,
    *,
    operation: OperationRun | None,
    observe: Observer,
) -> ScriptFirst | None:
    """Return what runs the script that fits the task; None when none does."""
    if match is None:
        return None
    return ScriptFirst(
        repository=runner.repository,
        base=evaluator.testbed.base,
        session=session,
        match=match,
        evaluator=evaluator,
        runner=runner,
        observe=observe,
        operation=operation,
    )


def _plain(evaluator: SessionEvaluator, product: Oid, gates: tuple[Gate, ...], *, seconds: float) -> Evidence:
    repository, base = evaluator.testbed.repository, evaluator.testbed.base
    base_product = mimo_dir.without_mimo(repository, repository.tree_of(base))
    return Evidence(
        tree=product,
        tested_tree=product,
        result_tree=product,
        base=base,
        gates=gates,
        diff=diff_facts(repository, base_product, product) if product != base_product else DiffFacts(),
        seconds=seconds,
    )


def _edits(steps: Sequence[Step]) -> bool:
    return any(action.kind in (ActionKind.EDIT, ActionKind.WRITE) for step in steps for action in step.actions)
