"""The driver: submits work to Ray, answers the workers, keeps each step that arrives, submits lost work again."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from gitmimo import __version__, mimo_dir, refnames
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.cancel import NEVER, CancelToken
from gitmimo.config import Config
from gitmimo.errors import CheckError
from gitmimo.evidence import Evidence
from gitmimo.git import bundle, refs
from gitmimo.git.repository import Repository
from gitmimo.journal import Journal
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Oid, SessionId, StopReason, Usage
from gitmimo.results import CandidateResult
from gitmimo.workflow.candidates import find_history, run_in_place
from gitmimo.workflow.directories import repository_key
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.history import read_steps_at
from gitmimo.workflow.on_ray import cluster
from gitmimo.workflow.on_ray.messages import (
    CandidateWork,
    EvaluationWork,
    Failure,
    Message,
    Outcome,
    Shipment,
    WorkItem,
    outcome_of,
)
from gitmimo.workflow.on_ray.worker import run_candidate, run_evaluation
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import Observer, Progress, StopSignal
from gitmimo.workflow.worktrees import CandidatePaths

_TURNS = 4  # how often one piece of work is given out at the most
_GRACE_S = 30.0  # for a worker to end by itself when the session is stopped
_MESSAGE_THREADS = 160  # answers wait for models


@dataclass(slots=True)
class _Turn:
    """One submitted work item: who has it now, and what to do with its messages."""

    turn: int
    paths: CandidatePaths
    observe: Observer
    model: Model | None = None
    journal: Journal | None = None
    tip: Oid = Oid("")


class RayExecutor:
    """Implements `Executor` on a Ray cluster. Other agents' programs work here, where their logins are.

    No secret leaves this process: models are called from here, under the session's ledger. [Ray writes a runtime
    environment into its logs and onto the command lines of its workers.]
    """

    def __init__(self, repository: Repository, config: Config, session: SessionId, stop_signal: StopSignal) -> None:
        """Connect, or start a cluster of this machine's. ConfigError when that is not possible."""
        self._repository = repository
        self._session = session
        self._stop_signal = stop_signal
        self._sandbox = config.text("sandbox")
        self._cluster = cluster.Cluster(config.text("rayAddress"))
        self._turns: dict[int, _Turn] = {}
        self._bundles: dict[tuple[str, Oid, tuple[Oid, ...]], list[Any]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._message_pool = ThreadPoolExecutor(max_workers=_MESSAGE_THREADS, thread_name_prefix="ray-message")
        self._reader = threading.Thread(target=self._read_messages, name="ray-mailbox", daemon=True)
        self._reader.start()

    def run_candidate(
        self,
        plan: Plan,
        paths: CandidatePaths,
        brief: Brief,
        worker: Model | ExternalAgent,
        *,
        journal: Journal,
        observe: Observer,
        stop_signal: StopSignal,
    ) -> CandidateResult:
        """See `Executor`."""
        if isinstance(worker, ExternalAgent):
            return run_in_place(
                self._repository, plan, paths, brief, worker, journal=journal, observe=observe, stop_signal=stop_signal
            )
        if brief.goes_on:
            find_history(self._repository, paths)
        began = time.monotonic()
        result: CandidateResult | None = None
        for turn in range(_TURNS):
            turn_state = _Turn(turn, paths, observe, worker, journal)
            self._begin_turn(turn_state, paths.number)  # from here on no step of an earlier turn is taken
            tip = turn_state.tip = refs.read_ref(self._repository, paths.branch) or paths.base
            item = CandidateWork(
                item=self._item(paths, turn, tip), plan=_for_worker(plan), brief=brief, branch=paths.branch,
                model=worker.info,
            )  # fmt: skip
            result = self._run(run_candidate, item, "mimo-candidate", paths.number)
            if result is not None or stop_signal.is_set():
                break
            observe(Progress(number=paths.number, phase="work", text="its worker was lost; another goes on"))
        self._turns.pop(paths.number, None)
        found = result or self._interrupted_result(plan, paths, brief.approach, worker.info.name)
        tip = refs.read_ref(self._repository, paths.branch) or paths.base
        found = replace(found, commit=tip, seconds=time.monotonic() - began)
        kept = refnames.candidate_ref(paths.session, paths.number)
        refs.update_ref(
            self._repository, kept, tip, expected=refs.read_ref(self._repository, kept), reason="mimo: candidate kept"
        )
        journal.done("worked", result=found)
        return found

    def judge(self, evaluator: SessionEvaluator, candidate: int, product: Oid) -> Evidence:
        """See `Executor`; a product that was judged before is not sent anywhere."""
        return evaluator.evaluate(product, elsewhere=lambda: self._judge(evaluator, candidate, product))

    def close(self) -> None:
        """Stop what still runs and leave the cluster."""
        self._closing.set()
        self._reader.join(timeout=5)
        self._message_pool.shutdown(wait=False, cancel_futures=True)
        self._cluster.leave()

    def _judge(self, evaluator: SessionEvaluator, candidate: int, product: Oid) -> Evidence:
        testbed = evaluator.testbed
        number = 1000 + candidate  # a number of its own: the candidate may be in another turn
        paths = CandidatePaths(
            session=self._session,
            number=number,
            base=testbed.base,
            branch=refnames.candidate_ref(self._session, candidate),
            directory=testbed.scratch,
        )
        for turn in range(_TURNS):
            self._begin_turn(_Turn(turn, paths, lambda _: None), number)
            item = EvaluationWork(
                item=self._item(paths, turn, product, readable=testbed.tests.readable),
                testbed=replace(
                    testbed,
                    repository=cast(Any, None),
                    sandbox=cast(Any, None),
                    checkout=None,
                    known_secrets={},
                    cancelled=NEVER.is_set,
                ),
                baseline=evaluator.baseline,
                required=evaluator.required_fixes,
            )
            evidence: Evidence | None = self._run(run_evaluation, item, "mimo-evaluation", number)
            if evidence is not None:
                return evidence
            if self._stop_signal.is_set():
                break
        raise CheckError("stopped" if self._stop_signal.is_set() else f"its workers were lost {_TURNS} times")

    def _item(self, paths: CandidatePaths, turn: int, tip: Oid, *, readable: Any = ()) -> WorkItem:
        return WorkItem(
            version=__version__,
            project=repository_key(self._repository),
            session=self._session,
            number=paths.number,
            turn=turn,
            base=paths.base,
            base_ref=refnames.base_ref(self._session),
            tip=tip,
            tip_ref=paths.branch,
            author=self._repository.author_ident(),
            excludes=self._repository.user_rules.ignore,
            sandbox=self._sandbox,
            readable=tuple(str(path) for path in readable),
        )

    def _run(self, task: Any, item: Any, resource: str, number: int) -> Any:
        """Run one task to its end; None when its worker was lost, or had to be stopped."""
        running = self._cluster.submit(task, item, resource)
        stopped_at: float | None = None
        while not self._cluster.is_done(running, wait_s=0.5):
            if not self._stop_signal.is_set():
                continue
            stopped_at = stopped_at or time.monotonic()
            if time.monotonic() - stopped_at > _GRACE_S:
                self._cluster.cancel(running)
                return None
        outcome = self._cluster.result(running)
        return None if outcome is None else outcome.unwrap()

    def _begin_turn(self, turn_state: _Turn, number: int) -> None:
        with self._lock:
            self._turns[number] = turn_state

    def _read_messages(self) -> None:
        while not self._closing.is_set():
            reason = self._stop_signal.reason()
            messages = self._cluster.collect(reason.value if reason else "")
            if messages is None:
                if not self._closing.is_set():
                    self._stop_signal.request(StopReason.ERROR)
                return
            for message in messages:
                self._message_pool.submit(self._handle, message).add_done_callback(
                    partial(self._report_failure, message)
                )

    def _handle(self, message: Message) -> None:
        outcome = outcome_of(lambda: self._answer(message))
        if message.identity:
            self._cluster.answer(message.identity, outcome)

    def _report_failure(self, message: Message, dealt: "Future[None]") -> None:
        """Tell a worker that waits that its message failed for an unexpected reason."""
        error = None if dealt.cancelled() else dealt.exception()
        if error is not None and message.identity:
            failure = Failure.of(CheckError(f"the driver failed: {error!r}"))
            self._cluster.answer(message.identity, Outcome(failure=failure))

    def _answer(self, message: Message) -> Any:
        turn_state = self._turns.get(message.number)
        if turn_state is None or turn_state.turn != message.turn:
            raise CheckError("the work was given to another worker")
        if message.kind == "progress":
            turn_state.observe(message.body)
            return None
        if message.kind == "objects":
            return self._objects(*message.body)
        if message.kind == "model" and turn_state.model is not None:
            return self._call(turn_state.model, message.body)
        if message.kind == "step":
            return self._keep_step(turn_state, message)
        raise CheckError(f"a message of an unknown kind: `{message.kind}`")

    def _objects(self, ref: str, have: tuple[Oid, ...]) -> list[Any]:
        """The bundle that a worker needs, made once for all that lack the same."""
        tip = refs.read_ref(self._repository, ref) or Oid("")
        with self._lock:
            key = ref, tip, have
            if key not in self._bundles:
                packed = bundle.write_bundle(self._repository, ref, have=have)
                self._bundles[key] = [self._cluster.put(packed)] if packed else []
            return self._bundles[key]

    def _call(self, model: Model, request: ChatRequest) -> Any:
        return model.complete(replace(request, cancel=CancelToken(self._stop_signal.is_set)))

    def _keep_step(self, turn_state: _Turn, message: Message) -> None:
        """Check a step and put it on the candidate's branch, as if it had been made here."""
        step: Shipment = message.body
        repository, paths = self._repository, turn_state.paths
        with self._lock:
            if self._turns.get(message.number) is not turn_state or step.parent != turn_state.tip:
                raise CheckError("the work was given to another worker")
            bundle.read_bundle(repository, step.bundle, is_trusted=False)
            made = repository.pygit.get(step.commit)
            if made is None or [str(parent) for parent in cast(Any, made).parent_ids] != [turn_state.tip]:
                raise CheckError(f"step {step.step} does not follow the last one: `{step.commit}`")
            refs.update_ref(
                repository,
                paths.branch,
                step.commit,
                expected=refs.read_ref(repository, paths.branch),
                reason=f"mimo: step {step.step}",
            )
            turn_state.tip = step.commit
        if turn_state.journal is not None:
            turn_state.journal.note("step", candidate=paths.number, step=step.step, commit=step.commit)

    def _interrupted_result(self, plan: Plan, paths: CandidatePaths, approach: str, model: str) -> CandidateResult:
        """The result so far of a candidate whose workers did not finish."""
        tip = refs.read_ref(self._repository, paths.branch) or paths.base
        steps = read_steps_at(self._repository, paths.session, paths.number, base=paths.base, tip=tip)
        is_stopped = self._stop_signal.reason()
        return CandidateResult(
            number=paths.number,
            branch=paths.branch.removeprefix("refs/heads/"),
            approach=approach,
            model=model,
            strategy=plan.strategy,
            status=(is_stopped or StopReason.ERROR).value,
            commit=tip,
            tree=mimo_dir.without_mimo(self._repository, self._repository.tree_of(tip)),
            steps=len(steps),
            usage=sum((step.reply.usage for step in steps), Usage()),
            cost_usd=sum(step.reply.cost_usd or 0.0 for step in steps),
            llm_calls=len(steps),
            summary="" if is_stopped else f"its workers were lost {_TURNS} times",
        )


def _for_worker(plan: Plan) -> Plan:
    """The plan without secrets, and without what only concerns the session."""
    workspace_config = replace(
        plan.workspace_config,
        sandbox=cast(Any, None),
        known_secrets=None,
        copied=(),
        linked=(),
        base_suite=None,
        evaluator=None,
    )
    return replace(
        plan,
        workspace_config=workspace_config,
        past=None,
        settings={},
    )
