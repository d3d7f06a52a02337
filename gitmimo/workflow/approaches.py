"""A different approach for each candidate: planned once by a model where several start together, else built in."""

from collections.abc import Sequence

from gitmimo.agent.interface import Feedback
from gitmimo.agent.planning import approaches_for
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.models import ModelPool
from gitmimo.workflow.plan import Plan
from gitmimo.workflow.progress import Observer, Progress
from gitmimo.workflow.project_view import project_view


def plan_approaches(
    repository: Repository,
    plan: Plan,
    models: ModelPool,
    evaluator: SessionEvaluator,
    told: Sequence[Feedback],
    *,
    journal: Journal,
    observe: Observer,
) -> tuple[str, ...]:
    """Ask the planning model for as many approaches as there are candidates, and keep them in the journal.

    It sees the project, and what spoke against earlier candidates (`told`). A resumed session has those of before.
    """
    builtin = built_in_approaches(plan)
    before = plan.past.approaches if plan.past else ()
    if len(before) >= len(builtin):
        return before
    if not plan.plans_approaches or models.takes_turns or plan.fan_out_at_once:
        return builtin
    observe(Progress(number=0, phase="plan", text=f"planning {len(builtin)} approaches"))
    suite = evaluator.base_suite  # shown only where it was measured already
    failing = suite.result().failed if suite.done() else ()
    earlier = "\n\n".join(each.text for each in told)
    view = project_view(repository, plan.base, plan.task.text, failing=failing, earlier=earlier)
    model = models.metered(0, "plan")
    planned = approaches_for(len(builtin), plan.strategy, task=plan.task, model=model, project=view)
    journal.done("approaches", approaches=planned)
    return planned


def built_in_approaches(plan: Plan) -> tuple[str, ...]:
    """Those that need no model; of a resumed session the ones that it had."""
    builtin = approaches_for(plan.candidates, plan.strategy)
    before = plan.past.approaches if plan.past else ()
    return before if len(before) >= len(builtin) else builtin
