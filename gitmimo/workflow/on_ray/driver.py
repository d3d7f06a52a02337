"""The driver: submits work to Ray, answers the workers, keeps each step that arrives, submits lost work again."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

from gitmimo import __version__, ids
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.cancel import NEVER, CancelToken
from gitmimo.config import Config
from gitmimo.errors import CheckError, MimoError
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence
from gitmimo.git import refs
from gitmimo.git.repository import Repository
from gitmimo.git.rules import read_user_rules
from gitmimo.ids import Oid, SessionId
from gitmimo.llm.model import Model
from gitmimo.records import CandidateResult, StopReason
from gitmimo.workflow.candidates import (
    CandidateRun,
    Executor,
    candidate_result,
    find_history,
    keep_candidate,
    paths_of,
    trajectory_of,
)
from gitmimo.workflow.directories import repository_key
from gitmimo.workflow.evaluate import SessionEvaluator
from gitmimo.workflow.history import read_steps_at
from gitmimo.workflow.on_ray.cluster import Cluster, Message, Shipment, WorkItem, read_bundle, write_bundle
from gitmimo.workflow.on_ray.worker import run_candidate, run_evaluation
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import Progress, SessionContext, StopSignal

_TURNS = 4  # how often one piece of work is given out at the most
_GRACE_S = 30.0  # for a worker to end by itself when the session is stopped
_MESSAGE_THREADS = 160  # answers wait for models


@dataclass(slots=True, kw_only=True)
class _Work:
    """One piece of work: what its worker gets, how far it is, and what to do with its messages."""

    item: WorkItem  # of the turn that counts; its tip moves on with each step
    resource: str
    number: int = 0
    context: SessionContext | None = None  # of a candidate
    model: Model | None = None


class RayExecutor(Executor):
    """Candidates and evaluations as tasks of a Ray cluster. Other agents' programs work here, where their logins are.

    No secret leaves this process: models are called from here, under the session's ledger. [Ray writes a runtime
    environment into its logs and onto the command lines of its workers.]
    """

    def __init__(self, repository: Repository, config: Config, session: SessionId, stop_signal: StopSignal) -> None:
        """Connect, or start a cluster of this machine's. ConfigError when that is not possible."""
        self._repository = repository
        self._session = session
        self._stop_signal = stop_signal
        self._sandbox = config.text("sandbox")
        self._cluster = Cluster(config.text("rayAddress"))
        self._works: dict[str, _Work] = {}
        self._bundles: dict[tuple[str, Oid, tuple[Oid, ...]], list[Any]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._message_pool = ThreadPoolExecutor(max_workers=_MESSAGE_THREADS, thread_name_prefix="ray-message")
        self._reader = threading.Thread(target=self._read_messages, name="ray-mailbox", daemon=True)
        self._reader.start()

    def run_candidate(
        self, context: SessionContext, plan: Plan, brief: Brief, worker: Model | ExternalAgent
    ) -> CandidateResult:
        """See `Executor`."""
        if isinstance(worker, ExternalAgent):
            return CandidateRun(context, plan, brief, worker).run()
        began, paths = time.monotonic(), paths_of(context, plan, brief.number)
        if brief.goes_on:
            find_history(self._repository, paths)
        item = self._item(f"candidate {brief.number}", plan.base, paths.branch)
        work = _Work(item=item, resource="mimo-candidate", number=brief.number, context=context, model=worker)
        result: CandidateResult | None = self._give_out(work, run_candidate, _for_worker(plan), brief, worker.info)
        tip = refs.read_ref(self._repository, paths.branch) or paths.base
        if result is None:
            steps = read_steps_at(self._repository, paths.session, paths.number, base=paths.base, tip=tip)
            reason = self._stop_signal.reason()
            said = "" if reason else f"its workers were lost {_TURNS} times"
            trajectory = trajectory_of(steps, reason or StopReason.ERROR, said)
            result = candidate_result(self._repository, paths, brief, worker, trajectory, tip)
            result = replace(result, strategy=plan.config.text("strategy"))
        keep_candidate(self._repository, paths, tip)
        result = replace(result, commit=tip, seconds=time.monotonic() - began)
        context.journal.done("worked", result=result)
        return result

    def judge(self, evaluator: SessionEvaluator, number: int, product: Oid) -> Evidence:
        """See `Executor`; a product that was judged before is not sent anywhere."""
        testbed, ref = evaluator.testbed, ids.candidate_ref(self._session, number)
        work = _Work(item=self._item(f"evaluation {number}", testbed.base, ref), resource="mimo-evaluation")

        def elsewhere() -> Evidence:
            evidence: Evidence | None = self._give_out(
                work, run_evaluation, _bare(testbed), evaluator.baseline, evaluator.required_fixes
            )
            if evidence is None:
                raise CheckError("stopped" if self._stop_signal.is_set() else f"its workers were lost {_TURNS} times")
            return evidence

        return evaluator.evaluate(product, elsewhere=elsewhere)

    def close(self) -> None:
        """Stop what still runs and leave the cluster."""
        self._closing.set()
        self._reader.join(timeout=5)
        self._message_pool.shutdown(wait=False, cancel_futures=True)
        self._cluster.leave()

    def _item(self, name: str, base: Oid, ref: str) -> WorkItem:
        return WorkItem(
            name=name,
            turn=-1,
            version=__version__,
            project=repository_key(self._repository),
            session=self._session,
            base=base,
            ref=ref,
            tip=base,
            author=self._repository.author(),
            excludes=read_user_rules(self._repository).ignore,
            sandbox=self._sandbox,
        )

    def _give_out(self, work: _Work, task: Any, *sent: Any) -> Any:
        """Have work done, by another worker when one was lost; None when all were, or the session was stopped."""
        result, item = None, work.item
        for turn in range(_TURNS):
            with self._lock:  # from here on no step of an earlier turn is taken
                tip = refs.read_ref(self._repository, item.ref) or item.base
                work.item = replace(item, turn=turn, tip=tip)
                self._works[item.name] = work
            result = self._run(work, task, *sent)
            if result is not None or self._stop_signal.is_set():
                break
            if work.context is not None:
                said = "its worker was lost; another goes on"
                work.context.observe(Progress(number=work.number, phase="work", text=said))
        self._works.pop(item.name, None)
        return result

    def _run(self, work: _Work, task: Any, *sent: Any) -> Any:
        """Run one task to its end; None when its worker was lost, or had to be stopped."""
        running = self._cluster.submit(task, work.resource, work.item, *sent)
        stopped_at: float | None = None
        while not self._cluster.ray.wait([running], timeout=0.5)[0]:
            if not self._stop_signal.is_set():
                continue
            stopped_at = stopped_at or time.monotonic()
            if time.monotonic() - stopped_at > _GRACE_S:
                self._cluster.ray.cancel(running, force=True)
                return None
        return self._cluster.result(running)

    def _read_messages(self) -> None:
        while not self._closing.is_set():
            reason = self._stop_signal.reason()
            messages = self._cluster.collect(reason.value if reason else "")
            if messages is None:
                if not self._closing.is_set():
                    self._stop_signal.request(StopReason.ERROR)
                return
            for message in messages:
                self._message_pool.submit(self._handle, message)

    def _handle(self, message: Message) -> None:
        answer: Any = CheckError("the driver failed")
        try:
            answer = self._answer(message)
        except MimoError as exc:
            answer = exc
        finally:
            if message.identity:
                self._cluster.answer(message.identity, answer)

    def _answer(self, message: Message) -> Any:
        work = self._works.get(message.work)
        if work is None or work.item.turn != message.turn:
            raise CheckError("the work was given to another worker")
        if message.kind == "progress" and work.context is not None:
            work.context.observe(message.body)
            return None
        if message.kind == "objects":
            return self._objects(*message.body)
        if message.kind == "model" and work.model is not None:
            return work.model.complete(replace(message.body, cancel=CancelToken(self._stop_signal.is_set)))
        if message.kind == "step" and work.context is not None:
            return self._keep_step(work, work.context, message)
        raise CheckError(f"a message of an unknown kind: `{message.kind}`")

    def _objects(self, ref: str, have: tuple[Oid, ...]) -> list[Any]:
        """The bundle that a worker needs, made once for all that lack the same."""
        tip = refs.read_ref(self._repository, ref) or Oid("")
        with self._lock:
            key = ref, tip, have
            if key not in self._bundles:
                packed = write_bundle(self._repository, ref, have=have)
                self._bundles[key] = [self._cluster.ray.put(packed)] if packed else []
            return self._bundles[key]

    def _keep_step(self, work: _Work, context: SessionContext, message: Message) -> None:
        """Check a step and put it on the candidate's branch, as if it had been made here."""
        step: Shipment = message.body
        repository = self._repository
        with self._lock:
            item = work.item
            if item.turn != message.turn or step.parent != item.tip:
                raise CheckError("the work was given to another worker")
            read_bundle(repository, step.bundle, is_trusted=False)
            made = repository.pygit.get(step.commit)
            if made is None or [str(parent) for parent in cast(Any, made).parent_ids] != [item.tip]:
                raise CheckError(f"step {step.step} does not follow the last one: `{step.commit}`")
            before = refs.read_ref(repository, item.ref)
            refs.update_ref(repository, item.ref, step.commit, expected=before, reason=f"mimo: step {step.step}")
            work.item = replace(item, tip=step.commit)
        context.journal.note("step", candidate=work.number, step=step.step, commit=step.commit)


def _bare(testbed: TestBed) -> TestBed:
    """A test bed without secrets, and without what only the driver has."""
    nothing = cast(Any, None)
    return replace(
        testbed, repository=nothing, sandbox=nothing, checkout=None, known_secrets={}, cancelled=NEVER.is_set
    )


def _for_worker(plan: Plan) -> Plan:
    """The plan without secrets, and without what only concerns the session."""
    settings = {name: each for name, each in plan.config.settings.items() if name != "baseurl"}
    config = Config(settings, prices={}, windows={})
    return replace(plan, testbed=_bare(plan.testbed), config=config, evaluator=None, past=None)
