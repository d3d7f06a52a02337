"""Operations as candidates: evidence from really running their commands, and what their script does."""

from dataclasses import replace

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


def check_operation(config: Config) -> None:
    """UsageError when nothing says whether an operation worked, or a grant is none."""
    if not config.texts("accept"):
        raise UsageError("an operation needs --accept: a command that exits with 0 when it worked")
    read_grants(config.texts("grants"))


def judge_operation(
    context: SessionContext, evaluator: SessionEvaluator, plan: Plan, result: CandidateResult
) -> Evidence:
    """Distil a candidate's commands to a script, run it again for real on a fresh tree, and judge what it left."""
    tip = Oid(result.commit or plan.base)
    steps = read_steps_at(context.repository, context.session, result.number, base=plan.base, tip=tip)
    accept, granted = plan.task.accept_commands, plan.config.texts("grants")
    operation = distil_operation(steps, task=plan.task.text, accept=accept, grants=granted)
    if operation is None:
        nothing = ScriptRun(problem="no command of it did anything", output="", tree=plan.base, seconds=0.0)
        return evidence_of(evaluator, nothing)
    edits = (ActionKind.EDIT, ActionKind.WRITE)
    begun_at = tip if any(action.kind in edits for step in steps for action in step.actions) else plan.base
    run = run_script(
        evaluator.testbed, operation.script, operation.values, at=begun_at, accept=operation.accept, grants=plan.grants
    )
    return evidence_of(evaluator, run)


def evidence_of(evaluator: SessionEvaluator, run: ScriptRun) -> Evidence:
    """Evidence of an operation's run; a tree that it changed faces the project's own gates as well."""
    testbed = evaluator.testbed
    repository, gates = testbed.repository, [_gate("script", "" if run.ran else run.problem)]
    if run.ran:
        gates.append(_gate("accept", run.problem, run.seconds))
    base = without_mimo(repository, repository.tree_of(testbed.base))
    product = run.tree if run.ran else base
    if product != base and not run.problem:
        if testbed.tests != NO_TESTS:
            found = evaluator.evaluate(product)
            return replace(found, gates=(*gates, *found.gates), seconds=found.seconds + run.seconds)
        findings = inspect_product(repository, base, product, known_secrets=testbed.known_secrets)
        gates.append(_gate("product", "; ".join(findings.problems[:5])))
    return Evidence(
        tree=product,
        tested_tree=product,
        result_tree=product,
        base=testbed.base,
        gates=tuple(gates),
        diff=diff_facts(repository, base, product) if product != base else DiffFacts(),
        seconds=run.seconds,
    )


def _gate(name: str, problem: str, seconds: float = 0.0) -> Gate:
    return Gate(name=name, outcome=Outcome.FAIL if problem else Outcome.PASS, detail=problem, seconds=seconds)
