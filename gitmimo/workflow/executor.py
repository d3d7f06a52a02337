"""Where candidates work and their products are judged: in this process, or elsewhere."""

from typing import Protocol

from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.config import Config
from gitmimo.evidence import Evidence
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid, SessionId
from gitmimo.llm.model import Model
from gitmimo.records import CandidateResult
from gitmimo.workflow.candidates import CandidateRun
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import SessionContext, StopSignal


class Executor(Protocol):
    """Does the work of a session. Safe for a thread a candidate."""

    def run_candidate(
        self, context: SessionContext, plan: Plan, brief: Brief, worker: Model | ExternalAgent
    ) -> CandidateResult:
        """Let one candidate work to its end; its steps stand on its branch in the session's repository."""

    def judge(self, evaluator: SessionEvaluator, number: int, product: Oid) -> Evidence:
        """Judge a candidate's product once the base was measured. CheckError when nothing could be found out."""

    def close(self) -> None:
        """Stop what still runs and let go of everything."""


class LocalExecutor:
    """Everything in this process: a thread a candidate, commands in child processes."""

    def run_candidate(
        self, context: SessionContext, plan: Plan, brief: Brief, worker: Model | ExternalAgent
    ) -> CandidateResult:
        """See `Executor`."""
        return CandidateRun(context, plan, brief, worker).run()

    def judge(self, evaluator: SessionEvaluator, number: int, product: Oid) -> Evidence:
        """See `Executor`."""
        return evaluator.evaluate(product)

    def close(self) -> None:
        """Nothing outlives a call."""


def open_executor(repository: Repository, config: Config, session: SessionId, stop_signal: StopSignal) -> Executor:
    """The executor that the configuration names. ConfigError when it is not to be had."""
    if config.text("executor") == "ray":
        from gitmimo.workflow.on_ray.driver import RayExecutor  # with what only a cluster needs

        return RayExecutor(repository, config, session, stop_signal)
    return LocalExecutor()
