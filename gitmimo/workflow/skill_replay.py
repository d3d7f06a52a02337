"""Candidate 0: the script of the skill that does exactly what the task says, tried before any model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitmimo import ids
from gitmimo.errors import NeedsPerson
from gitmimo.evidence import Evidence
from gitmimo.git import commit, refs
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_from
from gitmimo.ids import Oid
from gitmimo.memory.skill_file import Skill, read_library
from gitmimo.memory.templates import match_template
from gitmimo.records import CandidateResult
from gitmimo.workflow import trust
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.operations import evidence_of
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.scripts import ScriptRun, check_allowed, run_script


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMatch:
    """A skill whose script does exactly what a task says, with the values that the task gives."""

    skill: Skill
    values: Mapping[str, str] = field(default_factory=dict)
    approved: bool = False

    @property
    def said(self) -> str:
        """The skill and its values, as they would be typed."""
        return " ".join([self.skill.name, *(f"{name}={value}" for name, value in self.values.items())])


def find_script(repository: Repository, view: Oid, task: str, *, operation: bool) -> ScriptMatch | None:
    """Return the skill with a script whose task this is, word by word but for the values; None when none is.

    An operation's skill fits an operation only, and the other way round.
    """
    for skill in read_library(repository, view).skills:
        template = skill.metadata.get("git-mimo.task", "")
        if skill.script is None or not template or ("git-mimo.accept" in skill.metadata) is not operation:
            continue
        values = match_template(template, task)
        if values is not None and set(values) >= set(skill.parameters):
            return ScriptMatch(skill=skill, values=values, approved=trust.is_approved(repository, skill.digest))
    return None


def replay_skill(
    context: SessionContext,
    evaluator: SessionEvaluator,
    plan: Plan,
    match: ScriptMatch,
    wait_for_base: Callable[[], None],
) -> CandidateResult | None:
    """Run the script that fits and judge what it left; None when it isn't approved, lacks a grant, or failed.

    An operation's script that failed is a result: the model hears what it said.
    """
    skill, is_operation = match.skill, bool(plan.config["operation"])
    try:
        check_allowed(context.repository, skill, plan.config.texts("grants"))
    except NeedsPerson as exc:
        _say(context, f"{exc.message}: {exc.hint}")
        return None
    _say(context, match.said)
    accept = plan.task.accept_commands if is_operation else ()
    run = run_script(
        evaluator.testbed, skill.script or "", match.values, at=plan.base, accept=accept, grants=plan.grants
    )
    wait_for_base()
    if run.problem and not is_operation:
        _say(context, f"{skill.name} failed: {run.problem}")
        return None
    evidence = evidence_of(evaluator, run) if is_operation else evaluator.evaluate(run.tree)
    if not evidence.passed:
        reasons = "; ".join(gate.detail or gate.name for gate in evidence.failed_gates)
        _say(context, f"{skill.name} failed: {reasons}")
    return _result(context, plan, match, run, evidence)


def _result(
    context: SessionContext, plan: Plan, match: ScriptMatch, run: ScriptRun, evidence: Evidence
) -> CandidateResult:
    """Commit what the script left under candidate 0's own ref, and record it."""
    repository, kept = context.repository, ids.candidate_ref(context.session, 0)
    whole, name = with_mimo_from(repository, run.tree, repository.tree_of(plan.base)), match.skill.name
    made = commit.write_commit(repository, tree=whole, parents=(plan.base,), message=f"mimo: skill {name}\n")
    before = refs.read_ref(repository, kept)
    refs.update_ref(repository, kept, made, expected=before, reason="mimo: script run")
    return CandidateResult(
        number=0,
        branch="",
        approach=f"skill {match.said}",
        model="",
        strategy="skill",
        status="skill",
        commit=made,
        tree=evidence.tree,
        seconds=run.seconds,
        summary=f"ran the script of the skill {name}" + (f": {run.problem}" if run.problem else ""),
        evidence=evidence,
    )


def _say(context: SessionContext, text: str) -> None:
    context.observe(Progress(number=0, phase="skill", text=text))
