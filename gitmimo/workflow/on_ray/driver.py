"""The driver: submits work to Ray, answers the workers, keeps each step that arrives, submits lost work again."""

import contextlib
import importlib
import io
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

from gitmimo import __version__, ids
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.cancel import NEVER, CancelToken
from gitmimo.config import Config
from gitmimo.errors import CheckError, ConfigError, MimoError
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
from gitmimo.workflow.on_ray.worker import (
    Mailbox,
    Message,
    WorkItem,
    load_ray,
    read_pack,
    run_candidate,
    run_evaluation,
    write_pack,
)
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
        self._aside = contextlib.ExitStack()
        self._ray = _join(config.text("rayAddress"), self._aside)
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        here = strategies.NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox: Any = (
            self._ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here, max_concurrency=1000).remote()
        )
        self._works: dict[str, _Work] = {}
        self._packs: dict[tuple[Oid, tuple[Oid, ...]], list[Any]] = {}
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
        """Leave the cluster, which ends the session's tasks and its mailbox; one that was started here ends."""
        self._closing.set()
        self._reader.join(timeout=5)
        self._message_pool.shutdown(wait=False, cancel_futures=True)
        self._ray.shutdown()
        self._aside.close()

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
        """Run one task to its end; None when its worker, its node or its input was lost, or it had to be stopped.

        It takes one CPU, and one of its resource where the cluster's nodes declare it. Its error is raised here.
        """
        needs = {work.resource: 1} if work.resource in self._ray.cluster_resources() else {}
        remote = self._ray.remote(task).options(num_cpus=1, resources=needs, max_retries=0, name=work.resource)
        running = remote.remote(work.item, self._mailbox, *sent)
        stopped_at: float | None = None
        while not self._ray.wait([running], timeout=0.5)[0]:
            if not self._stop_signal.is_set():
                continue
            stopped_at = stopped_at or time.monotonic()
            if time.monotonic() - stopped_at > _GRACE_S:
                self._ray.cancel(running, force=True)
                return None
        errors = self._ray.exceptions
        try:
            return self._ray.get(running)
        except errors.RayTaskError as exc:
            if isinstance(exc.cause, errors.RayError):
                return None
            if isinstance(exc.cause, MimoError):
                raise exc.cause from None
            raise CheckError(f"a Ray task failed: {exc.cause!r}") from exc
        except errors.RayError:
            return None

    def _read_messages(self) -> None:
        while not self._closing.is_set():
            reason = self._stop_signal.reason()
            try:
                messages = self._ray.get(self._mailbox.collect.remote(reason.value if reason else ""))
            except self._ray.exceptions.RayError:  # the mailbox is gone, and with it the connection
                if not self._closing.is_set():
                    self._stop_signal.request(StopReason.ERROR)
                return
            for message in messages:
                self._message_pool.submit(self._handle, message)

    def _handle(self, message: Message) -> None:
        """Answer a message; an error is raised where it was asked."""
        answer: Any = CheckError("the driver failed")
        try:
            answer = self._answer(message)
        except MimoError as exc:
            answer = exc
        finally:
            self._mailbox.answer.remote(message.identity, answer)

    def _answer(self, message: Message) -> Any:
        work = self._works.get(message.work)
        if work is None or work.item.turn != message.turn:
            raise CheckError("the work was given to another worker")
        match message.kind:
            case "objects":
                return self._objects(*message.body)
            case "model" if work.model is not None:
                return work.model.complete(replace(message.body, cancel=CancelToken(self._stop_signal.is_set)))
            case "progress" if work.context is not None:
                return work.context.observe(message.body)
            case "step" if work.context is not None:
                return self._keep_step(work, work.context, message.turn, *message.body)
        raise CheckError(f"a message of an unknown kind: `{message.kind}`")

    def _objects(self, ref: str, have: tuple[Oid, ...]) -> list[Any]:
        """The pack that a worker needs, made once for all that lack the same."""
        tip = refs.read_ref(self._repository, ref)
        if tip is None:
            raise CheckError(f"no such ref: `{ref}`")
        with self._lock:
            if (tip, have) not in self._packs:
                pack = write_pack(self._repository, tip, have=have)
                self._packs[tip, have] = [self._ray.put(pack)] if pack else []
            return self._packs[tip, have]

    def _keep_step(
        self, work: _Work, context: SessionContext, turn: int, number: int, commit: Oid, pack: bytes
    ) -> None:
        """Check a step's commit and put it on the candidate's branch, as if it had been made here."""
        repository = self._repository
        with self._lock:
            item = work.item
            if item.turn != turn:
                raise CheckError("the work was given to another worker")
            read_pack(repository, pack, is_trusted=False)
            made = repository.pygit.get(commit)
            if made is None or [str(parent) for parent in cast(Any, made).parent_ids] != [item.tip]:
                raise CheckError(f"step {number} does not follow the last one: `{commit}`")
            before = refs.read_ref(repository, item.ref)
            refs.update_ref(repository, item.ref, commit, expected=before, reason=f"mimo: step {number}")
            work.item = replace(item, tip=commit)
        context.journal.note("step", candidate=work.number, step=number, commit=commit)


def _join(address: str, aside: contextlib.ExitStack) -> Any:
    """The library ray, connected to the cluster at `address`, else to one that Ray finds, or a new one of this machine.

    ConfigError when that is not possible.
    """
    ray = load_ray()
    if address.startswith("ray://"):
        raise ConfigError(
            f"a Ray client has no node of its own, which the mailbox needs: `{address}`",
            hint="start git-mimo on a node of the cluster, for example as a Ray job, with --ray-address auto",
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        with _undisturbed():
            # Ray tells of lost nodes on stdout, where a session's result belongs; what counts comes as an error
            aside.enter_context(contextlib.redirect_stdout(io.StringIO()))
            ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        aside.close()
        raise ConfigError(f"no Ray cluster at `{address or 'this machine'}`: {exc}") from exc
    return ray


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ray from taking our signal handlers, and from putting the user's project into its workers' import path."""
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with tempfile.TemporaryDirectory() as neutral, contextlib.chdir(neutral):
        try:
            yield
        finally:
            for number, handler in handlers.items():
                if is_main and handler is not None:
                    signal.signal(number, handler)


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
