"""The critic of a session: opened when needed, given each product with its context and what behaves differently."""

from collections.abc import Mapping

from gitmimo.behaviour import BehaviourReport
from gitmimo.evaluator.critic import Critic, Submission
from gitmimo.evaluator.verdict import rank_without_critic
from gitmimo.evidence import CandidateFacts, CriticOpinion, Evidence
from gitmimo.git import diff
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.workflow.models import ModelPool

_CONTEXT_LINES = 25  # around each hunk: what a change is part of


class Reviewer:
    """Asks the critic, where there is one. What it said once of a product is not asked again."""

    def __init__(self, repository: Repository, models: ModelPool, *, base: Oid, task: str, rules: str) -> None:
        self._repository = repository
        self._models = models
        self._base = base
        self._task = task
        self._rules = rules
        self._critic: Critic | None = None

    def review(
        self,
        passing: Mapping[int, Evidence],
        behaviour: BehaviourReport | None,
        *,
        workers: tuple[str, ...],
        base_output: str,
    ) -> CriticOpinion | None:
        """The critic's opinion on candidates that passed; None without a critic. `workers` are the models at work."""
        name = self._models.critic_name
        if not name or not passing:
            return None
        if self._critic is None:
            model = self._models.metered(0, "critic")
            self._critic = Critic(
                model,
                task=self._task,
                rules=self._rules,
                base_output=base_output,
                is_self_review=name in workers,
                is_brief=model.info.is_small,
            )
        facts = [CandidateFacts(number=number, evidence=evidence) for number, evidence in sorted(passing.items())]
        order = rank_without_critic(facts, behaviour)
        return self._critic.review({number: self._submission(passing[number], behaviour) for number in order})

    def _submission(self, evidence: Evidence, behaviour: BehaviourReport | None) -> Submission:
        found = behaviour.of(evidence.tested_tree) if behaviour else None
        text = diff.diff_text(
            self._repository, self._repository.tree_of(self._base), evidence.landed_tree, context=_CONTEXT_LINES
        )
        return Submission(
            diff=text.decode("utf-8", "replace"),
            evidence=evidence,
            differences=found.differences if found else (),
            not_compared=behaviour.problem if behaviour else "not compared",
        )
