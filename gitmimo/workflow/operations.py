"""Operations as candidates: evidence from really running their commands, and what their script does."""

from dataclasses import dataclass, replace

from gitmimo.config import Config
from gitmimo.errors import UsageError
from gitmimo.evaluator.product import inspect_product
from gitmimo.evidence import DiffFacts, Evidence, Gate, Outcome
from gitmimo.git.diff import diff_facts
from gitmimo.git.trees import without_mimo
from gitmimo.ids import Oid
from gitmimo.memory.commands import distil_operation
from gitmimo.records import ActionKind, CandidateResult
from gitmimo.workflow.evaluate import NO_TESTS, SessionEvaluator
from gitmimo.workflow.history import read_steps_at
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import SessionContext
from gitmimo.workflow.scripts import ScriptRun, read_grants, run_script

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

    context: SessionContext
    evaluator: SessionEvaluator
    plan: Plan

    @property
    def accept(self) -> tuple[str, ...]:
        """The commands that say whether it worked."""
        return self.plan.task.accept_commands

    @property
    def granted(self) -> tuple[str, ...]:
        """What a person lets it reach, as they typed it."""
        return self.plan.config.texts("grants")

    def evaluate(self, result: CandidateResult) -> Evidence:
        """Distil a candidate's commands to a script, run it on a fresh tree, and judge what it left."""
        repository, base = self.context.repository, self.evaluator.testbed.base
        tip = Oid(result.commit or base)
        steps = read_steps_at(repository, self.context.session, result.number, base=base, tip=tip)
        operation = distil_operation(steps, task=self.plan.task.text, accept=self.accept, grants=self.granted)
        if operation is None:
            gate = Gate(name="script", outcome=Outcome.FAIL, detail="no command of it did anything")
            product = without_mimo(repository, repository.tree_of(base))
            return _plain(self.evaluator, product, (gate,), seconds=0.0)
        edits = (ActionKind.EDIT, ActionKind.WRITE)
        begun_at = tip if any(action.kind in edits for step in steps for action in step.actions) else base
        grants = read_grants(self.granted)
        testbed, accept = self.evaluator.testbed, operation.accept
        run = run_script(testbed, operation.script, operation.values, at=begun_at, accept=accept, grants=grants)
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
    base = without_mimo(repository, repository.tree_of(evaluator.testbed.base))
    if run.problem or run.tree == base:
        return _plain(evaluator, run.tree if run.ran else base, tuple(gates), seconds=run.seconds)
    if evaluator.testbed.tests != NO_TESTS:
        found = evaluator.evaluate(run.tree)
        return replace(found, gates=(*gates, *found.gates), seconds=found.seconds + run.seconds)
    findings = inspect_product(repository, base, run.tree, known_secrets=evaluator.testbed.known_secrets)
    outcome = Outcome.FAIL if findings.problems else Outcome.PASS
    gates.append(Gate(name="product", outcome=outcome, detail="; ".join(findings.problems[:5])))
    return _plain(evaluator, run.tree, tuple(gates), seconds=run.seconds)


def check_operation(config: Config) -> None:
    """UsageError when nothing says whether an operation worked, or a grant is none."""
    if not config.texts("accept"):
        raise UsageError("an operation needs --accept: a command that exits with 0 when it worked")
    read_grants(config.texts("grants"))


def _plain(evaluator: SessionEvaluator, product: Oid, gates: tuple[Gate, ...], *, seconds: float) -> Evidence:
    repository, base = evaluator.testbed.repository, evaluator.testbed.base
    base_product = without_mimo(repository, repository.tree_of(base))
    return Evidence(
        tree=product,
        tested_tree=product,
        result_tree=product,
        base=base,
        gates=gates,
        diff=diff_facts(repository, base_product, product) if product != base_product else DiffFacts(),
        seconds=seconds,
    )
