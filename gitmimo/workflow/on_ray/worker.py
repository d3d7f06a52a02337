"""What runs on a node: a candidate or an evaluation, in a repository made from bundles, with messages to the driver."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitmimo import __version__
from gitmimo.cancel import NEVER
from gitmimo.errors import CheckError
from gitmimo.evaluator.evaluate import evaluate
from gitmimo.evidence import Evidence
from gitmimo.files import remove_tree
from gitmimo.git import bundle, refs
from gitmimo.git.agent_repo import base_objects
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.journal import Journal
from gitmimo.llm.model import ChatRequest, ModelInfo, cancelled_reply
from gitmimo.locks import LockTimeout, hold_lock
from gitmimo.records import Oid, Reply, StopReason
from gitmimo.redact import secret_check
from gitmimo.results import CandidateResult
from gitmimo.sandbox.base import Sandbox
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow.candidates import run_in_place
from gitmimo.workflow.directories import state_home
from gitmimo.workflow.on_ray.cluster import load_ray
from gitmimo.workflow.on_ray.messages import (
    CandidateWork,
    EvaluationWork,
    Message,
    Outcome,
    Shipment,
    WorkItem,
    outcome_of,
)
from gitmimo.workflow.progress import Progress, StopSignal
from gitmimo.workflow.worktrees import CandidatePaths

_POLL_S = 0.5
_PATIENCE_S = 20.0  # for an answer after the session was stopped


def run_candidate(item: CandidateWork, mailbox: Any) -> Outcome:
    """A Ray task: let a candidate work here, each step shipped as soon as it is committed."""
    return outcome_of(lambda: _run_candidate(item, mailbox))


def run_evaluation(item: EvaluationWork, mailbox: Any) -> Outcome:
    """A Ray task: judge a product here."""
    return outcome_of(lambda: _run_evaluation(item, mailbox))


def _run_candidate(wanted: CandidateWork, mailbox: Any) -> CandidateResult:
    item, home = wanted.item, _Home(wanted.item, mailbox)
    with home.opened() as (repository, sandbox, stop_signal):
        paths = CandidatePaths(
            session=item.session,
            number=item.number,
            base=item.base,
            branch=wanted.branch,
            directory=home.path / "places",
        )
        if item.tip != item.base:
            refs.update_ref(repository, paths.branch, item.tip, expected=None, reason="mimo: goes on")
        model = DistantModel(wanted.model, home.channel)
        plan = replace(
            wanted.plan,
            workspace_config=replace(wanted.plan.workspace_config, sandbox=sandbox),
        )
        with contextlib.closing(
            ShippingJournal(home.path / "journal.jsonl", repository, paths, home.channel)
        ) as journal:
            return run_in_place(
                repository,
                plan,
                paths,
                replace(wanted.brief, goes_on=item.tip != item.base),
                model,
                journal=journal,
                observe=home.channel.observe,
                stop_signal=stop_signal,
            )


def _run_evaluation(wanted: EvaluationWork, mailbox: Any) -> Evidence:
    item, home = wanted.item, _Home(wanted.item, mailbox)
    with home.opened() as (repository, sandbox, stop_signal):
        testbed = replace(
            wanted.testbed,
            repository=repository,
            sandbox=sandbox,
            scratch=home.path / "bench",
            cancelled=stop_signal.is_set,
        )
        return evaluate(testbed, wanted.baseline, item.tip, required=wanted.required)


class DriverChannel:
    """A worker's end of the mailbox."""

    def __init__(self, mailbox: Any, item: WorkItem) -> None:
        self._mailbox = mailbox
        self._item = item

    def ask(self, kind: str, body: Any, *, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Ask the driver and return its answer; None when it stays away after the session was stopped."""
        ray = load_ray()
        answer = self._mailbox.ask.remote(self._message(kind, body, identity=uuid.uuid4().hex))
        patience = _PATIENCE_S
        while not ray.wait([answer], timeout=_POLL_S)[0]:
            patience -= _POLL_S if cancelled() else 0.0
            if patience <= 0:
                return None
        found: Outcome = ray.get(answer)
        return found.unwrap()

    def observe(self, progress: Progress) -> None:
        """Tell news, without waiting."""
        self._mailbox.tell.remote(self._message("progress", progress))

    def stop_reason(self) -> str:
        """Why the session ends; empty while it runs."""
        ray = load_ray()
        return str(ray.get(self._mailbox.stop_reason.remote()))

    def _message(self, kind: str, body: Any, identity: str = "") -> Message:
        return Message(kind=kind, number=self._item.number, turn=self._item.turn, body=body, identity=identity)


class DistantModel:
    """A model that the driver calls, under its budget: no key and no ledger is needed here."""

    def __init__(self, info: ModelInfo, channel: DriverChannel) -> None:
        self.info = info
        self._channel = channel

    def complete(self, request: ChatRequest) -> Reply:
        """See `Model.complete`; `on_text` gets the text in one piece."""
        sent = replace(request, on_text=None, cancel=NEVER)
        reply: Reply | None = self._channel.ask("model", sent, cancelled=request.cancel.is_set)
        if reply is None:
            return cancelled_reply(self.info.name)
        if request.on_text is not None and reply.text:
            request.on_text(reply.text)
        return reply


class ShippingJournal(Journal):
    """A journal that sends each step's commit to the driver before the next step begins."""

    def __init__(self, path: Path, repository: Repository, paths: CandidatePaths, channel: DriverChannel) -> None:
        super().__init__(path)
        self._repository = repository
        self._paths = paths
        self._channel = channel
        self._shipped = refs.read_ref(repository, paths.branch) or paths.base

    def note(self, event: str, **data: Any) -> None:
        """See `Journal.note`. CheckError if the driver gave this work to another worker."""
        super().note(event, **data)
        if event != "step":
            return
        commit = Oid(data["commit"])
        packed = bundle.write_bundle(self._repository, self._paths.branch, have=(self._shipped,))
        self._channel.ask("step", Shipment(step=data["step"], parent=self._shipped, commit=commit, bundle=packed))
        self._shipped = commit


class _Home:
    """A directory for one task, with a repository that borrows the objects which this node keeps of the project."""

    def __init__(self, item: WorkItem, mailbox: Any) -> None:
        ray = load_ray()
        node = ray.get_runtime_context().get_node_id()[:16]
        self._top = state_home() / "ray" / node
        self._item = item
        self.channel = DriverChannel(mailbox, item)
        self.path = self._top / "work" / f"{item.session}-{item.number}-{item.turn}-{uuid.uuid4().hex[:6]}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Repository, Sandbox, StopSignal]]:
        """Fetch what is missing, and have a repository, a sandbox and a flag that turns when the session ends."""
        item = self._item
        if item.version != __version__:
            raise CheckError(
                f"the node has git-mimo {__version__}, the session {item.version}",
                hint="install the same git-mimo on every node",
            )
        self._top.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        stop_signal, ended = StopSignal(), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stop_signal, ended), daemon=True)
        try:
            with hold_lock(self.path.with_suffix(".lock")):
                watcher.start()
                repository = self._repository()
                sandbox = open_sandbox(
                    item.sandbox,
                    hidden=(repository.common_dir, state_home()),
                    readable=(
                        base_objects(repository, item.base),
                        *(path for path in map(Path, item.readable) if path.exists()),
                    ),
                )
                yield repository, sandbox, stop_signal
        finally:
            ended.set()
            remove_tree(self.path, ignore_errors=True)
            self.path.with_suffix(".lock").unlink(missing_ok=True)

    def _repository(self) -> Repository:
        """The task's own repository: its refs are its own, and they go with it."""
        store = self._store()
        with hold_lock(store.with_suffix(".lock"), wait_s=600):
            if not (store / "HEAD").exists():
                _init(store)
            kept = Repository.discover(store, environ={})
            self._fetch(kept, self._item.base_ref, self._item.base)
            # later sessions get what is new only
            refs_name = f"refs/mimo/base/{self._item.base}"
            if refs.read_ref(kept, refs_name) is None:
                refs.update_ref(kept, refs_name, self._item.base, expected=None, reason="mimo: base of a session")
        paths = self.path / "repository.git"
        _init(paths)
        (paths / "objects/info").mkdir(exist_ok=True)
        (paths / "objects/info/alternates").write_text(f"{store / 'objects'}\n")
        (paths / "info").mkdir(exist_ok=True)
        (paths / "info/exclude").write_bytes(self._item.excludes)
        for name in ("name", "email"):
            value = getattr(self._item.author, name)
            run_git(["config", f"user.{name}", value], git_dir=paths, cwd=paths)
        repository = Repository.discover(paths, environ={})
        repository.content_check = secret_check({})  # values that are known are not sent to workers
        if self._item.tip != self._item.base:
            self._fetch(repository, self._item.tip_ref, self._item.tip)
        return repository

    def _fetch(self, repository: Repository, ref: str, wanted: Oid) -> None:
        """Get a commit from the driver, on top of the bases that are here."""
        ray = load_ray()
        if wanted in repository.pygit:
            return
        have = sorted({*refs.list_refs(repository, "refs/mimo/base/").values(), self._item.base} - {wanted})
        have = [oid for oid in have if oid in repository.pygit]
        for piece in self.channel.ask("objects", (ref, tuple(have))):
            bundle.read_bundle(repository, ray.get(piece), is_trusted=True)
        if wanted not in repository.pygit:
            raise CheckError(f"the commit did not come with its bundle: `{wanted}`")

    def _store(self) -> Path:
        return Path(self._top / "objects" / f"{self._item.project}.git")

    def _watch(self, stop_signal: StopSignal, ended: threading.Event) -> None:
        while not ended.wait(_POLL_S):
            reason = self.channel.stop_reason()
            if reason:
                stop_signal.request(StopReason(reason))

    def _sweep(self) -> None:
        """Remove what tasks left here whose process was killed."""
        work = self._top / "work"
        for lock in work.glob("*.lock") if work.is_dir() else ():
            with contextlib.suppress(LockTimeout), hold_lock(lock, wait_s=0):
                remove_tree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)


def _init(paths: Path) -> None:
    paths.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    run_git(["init", "--quiet", "--bare", "--template=", "--initial-branch=none", str(paths)], cwd=paths.parent)
