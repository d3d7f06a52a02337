"""Candidate 0: the script of the skill that does exactly what the task says, tried before any model."""

from collections.abc import Callable
from dataclasses import dataclass

from gitmimo import ids
from gitmimo.errors import NeedsPerson
from gitmimo.evidence import Evidence
from gitmimo.git import commit, refs
from gitmimo.git.trees import with_mimo_from
from gitmimo.records import CandidateResult
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.operations import OperationRun, evidence_of
from gitmimo.workflow.progress import Progress, SessionContext
from gitmimo.workflow.scripts import ScriptMatch, ScriptRun, check_granted, read_grants, run_script


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillReplay:
    """Tries a skill's script before any model, where the task says exactly what it does."""

    context: SessionContext
    evaluator: SessionEvaluator
    match: ScriptMatch
    operation: OperationRun | None = None

    def __call__(self, wait_for_base: Callable[[], None]) -> CandidateResult | None:
        """Run the script that fits and judge what it left; None when it isn't approved or lacks a grant."""
        skill = self.match.skill
        accept, granted = (self.operation.accept, self.operation.granted) if self.operation else ((), ())
        try:
            check_granted(skill, granted)
            if not self.match.approved:
                raise NeedsPerson(f"`{skill.name}` fits but is not approved", hint="git mimo trust")
        except NeedsPerson as exc:
            self._say(f"{exc.message}: {exc.hint}")
            return None
        self._say(self.match.said)
        testbed, grants = self.evaluator.testbed, read_grants(granted)
        run = run_script(testbed, skill.script or "", self.match.values, at=testbed.base, accept=accept, grants=grants)
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
        repository, base, skill = self.context.repository, self.evaluator.testbed.base, self.match.skill
        whole = with_mimo_from(repository, run.tree, repository.tree_of(base))
        made = commit.write_commit(repository, tree=whole, parents=(base,), message=f"mimo: skill {skill.name}\n")
        kept = ids.candidate_ref(self.context.session, 0)
        before = refs.read_ref(repository, kept)
        refs.update_ref(repository, kept, made, expected=before, reason="mimo: script run")
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
        self.context.observe(Progress(number=0, phase="skill", text=text))
