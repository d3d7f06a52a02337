"""The critic of a session: opened when needed, given each product with its context and what behaves differently."""

from collections.abc import Collection, Mapping

from gitmimo.behaviour import BehaviourReport
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.critic import Critic, Submission
from gitmimo.evaluator.verdict import rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence
from gitmimo.git import diff
from gitmimo.git.repository import Repository
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.plan import Plan

_CONTEXT_LINES = 25  # around each hunk: what a change is part of


class Reviewer:
    """Asks the critic, where there is one. What it said once of a product is not asked again."""

    def __init__(self, repository: Repository, plan: Plan, models: ModelPool) -> None:
        self._repository = repository
        self._plan = plan
        self._models = models
        self._critic: Critic | None = None

    def review(
        self,
        passing: Mapping[int, Evidence],
        behaviour: BehaviourReport | None,
        baseline: Baseline,
        workers: Collection[str],
    ) -> CriticOpinion | None:
        """The critic's opinion on candidates that passed; None without a critic. `workers` are the models at work."""
        name = self._models.critic_name
        if not name or not passing:
            return None
        if self._critic is None:
            model = self._models.metered(0, "critic")
            self._critic = Critic(
                model,
                task=self._plan.task.text,
                rules=self._plan.prefix,
                base_output=baseline.report.output if baseline.failed_ids else "",
                is_self_review=name in workers,
                is_brief=model.info.is_small,
            )
        facts = [CandidateFacts(number=number, evidence=evidence) for number, evidence in sorted(passing.items())]
        order = rank_without_critic(facts, behaviour)
        return self._critic.review({number: self._submission(passing[number], behaviour) for number in order})

    def _submission(self, evidence: Evidence, behaviour: BehaviourReport | None) -> Submission:
        found = behaviour.of(evidence.tested_tree) if behaviour else None
        base = self._repository.tree_of(self._plan.base)
        text = diff.diff_text(self._repository, base, evidence.landed_tree, context=_CONTEXT_LINES)
        return Submission(
            diff=text.decode("utf-8", "replace"),
            evidence=evidence,
            differences=found.differences if found else (),
            not_compared=behaviour.problem if behaviour else "not compared",
        )
