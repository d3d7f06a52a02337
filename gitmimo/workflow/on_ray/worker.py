"""What runs on a node: a candidate or an evaluation, in a repository made from packs, with messages to the driver."""

import asyncio
import contextlib
import importlib
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitmimo import __version__
from gitmimo.cancel import NEVER
from gitmimo.errors import CheckError, ConfigError, MimoError, install_hint
from gitmimo.evaluator.baseline import Baseline
from gitmimo.evaluator.evaluate import evaluate
from gitmimo.evaluator.required_fixes import RequiredFixes
from gitmimo.evaluator.testbed import TestBed
from gitmimo.evidence import Evidence
from gitmimo.files import LockTimeout, hold_lock, remove_tree
from gitmimo.git import refs
from gitmimo.git.agent_repo import base_objects
from gitmimo.git.repository import Ident, Repository
from gitmimo.git.run import run_git
from gitmimo.ids import Oid, SessionId, base_ref
from gitmimo.journal import Journal
from gitmimo.llm.model import ChatRequest, ModelInfo, cancelled_reply
from gitmimo.records import CandidateResult, Reply, StopReason
from gitmimo.redact import secret_check
from gitmimo.sandbox.probe import open_sandbox
from gitmimo.workflow.candidates import CandidateRun
from gitmimo.workflow.directories import state_home
from gitmimo.workflow.plan import Brief, Plan
from gitmimo.workflow.progress import Progress, SessionContext, StopSignal

_POLL_S = 0.5
_PATIENCE_S = 20.0  # for an answer after the session was stopped
_LONGEST_QUIET_S = 0.25
_MOST_LOOSE = 2000  # objects; more of them are kept as one pack


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """What every task gets, without the objects, which the worker requests if it lacks them.

    `turn` counts how often the same work was given out: what an earlier turn still sends is refused.
    """

    name: str  # of the work, in its session
    turn: int
    version: str
    project: str  # names the repository among those whose objects a node keeps
    session: SessionId
    base: Oid
    ref: str  # of the candidate's last step that reached the driver, or of the product
    tip: Oid  # what it holds; the base where there is no step
    author: Ident
    excludes: bytes  # the user's own ignore rules
    sandbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a worker, and what its answer is found by.

    `kind` is objects (`body`: a ref and the commits that are here), model (a request), step (its number, its commit,
    a pack), or progress.
    """

    kind: str
    work: str
    turn: int
    body: Any
    identity: str


class Mailbox:
    """A Ray actor on the driver's node. Workers ask, the driver collects and answers; both can go any time."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._arrived = asyncio.Event()
        self._stop = ""

    async def ask(self, message: Message) -> Any:
        """Deliver a message and wait for its answer, an error among them."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[message.identity] = answer
        self._messages.append(message)
        self._arrived.set()
        return await answer

    async def collect(self, stop: str) -> list[Message]:
        """Hand over what arrived, after a short wait when nothing did; `stop` is why the session ends, for workers."""
        self._stop = stop or self._stop
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), _LONGEST_QUIET_S)
        self._arrived.clear()
        messages, self._messages = self._messages, []
        return messages

    async def answer(self, identity: str, answer: Any) -> None:
        """Pass an answer on."""
        self._waiting.pop(identity).set_result(answer)

    async def stop_reason(self) -> str:
        """Why the session ends; empty while it runs."""
        return self._stop


def run_candidate(item: WorkItem, mailbox: Any, plan: Plan, brief: Brief, info: ModelInfo) -> CandidateResult:
    """A Ray task: let a candidate work here, each step shipped as soon as it is committed."""
    home = _Home(item, mailbox)
    with home.opened(plan.testbed) as (testbed, stop_signal):
        repository, places = testbed.repository, str(home.path / "places")
        plan = replace(plan, testbed=testbed, worktree_root=places)
        if item.tip != item.base:
            refs.update_ref(repository, item.ref, item.tip, expected=None, reason="mimo: goes on")
        with contextlib.closing(ShippingJournal(home, repository)) as journal:
            context = SessionContext(
                repository=repository,
                session=item.session,
                journal=journal,
                observe=home.observe,
                stop_signal=stop_signal,
            )
            brief = replace(brief, goes_on=item.tip != item.base)
            return CandidateRun(context, plan, brief, DistantModel(info, home)).run()


def run_evaluation(
    item: WorkItem, mailbox: Any, testbed: TestBed, baseline: Baseline, required: RequiredFixes
) -> Evidence:
    """A Ray task: judge a product, at the item's tip, against the driver's measurement of the base."""
    with _Home(item, mailbox).opened(testbed) as (testbed_here, _):
        return evaluate(testbed_here, baseline, item.tip, required=required)


class DistantModel:
    """A model that the driver calls, under its budget: no key and no ledger is needed here."""

    def __init__(self, info: ModelInfo, home: "_Home") -> None:
        self.info = info
        self._home = home

    def complete(self, request: ChatRequest) -> Reply:
        """See `Model.complete`; `on_text` gets the text in one piece."""
        sent = replace(request, on_text=None, cancel=NEVER)
        reply: Reply | None = self._home.ask("model", sent, cancelled=request.cancel.is_set)
        if reply is None:
            return cancelled_reply(self.info.name)
        if request.on_text is not None and reply.text:
            request.on_text(reply.text)
        return reply


class ShippingJournal(Journal):
    """A journal that sends each step's commit to the driver before the next step begins."""

    def __init__(self, home: "_Home", repository: Repository) -> None:
        super().__init__(home.path / "journal.jsonl")
        self._home = home
        self._repository = repository
        self._shipped = home.item.tip

    def note(self, event: str, **data: Any) -> None:
        """See `Journal.note`. CheckError if the driver gave this work to another worker."""
        super().note(event, **data)
        if event != "step":
            return
        commit = Oid(data["commit"])
        pack = write_pack(self._repository, commit, have=(self._shipped,))
        self._home.ask("step", (data["step"], commit, pack))
        self._shipped = commit


class _Home:
    """A directory for one task, with a repository that borrows the objects which this node keeps of the project.

    It is the task's end of the driver's mailbox as well.
    """

    def __init__(self, item: WorkItem, mailbox: Any) -> None:
        self.item = item
        self._ray = load_ray()
        self._mailbox = mailbox
        self._top = state_home() / "ray" / self._ray.get_runtime_context().get_node_id()[:16]
        self.path = (
            self._top / "work" / f"{item.session}-{item.name.replace(' ', '-')}-{item.turn}-{uuid.uuid4().hex[:6]}"
        )

    def ask(self, kind: str, body: Any, *, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Ask the driver and return its answer; None when it stays away after the session was stopped."""
        answer = self._send(kind, body)
        patience = _PATIENCE_S
        while not self._ray.wait([answer], timeout=_POLL_S)[0]:
            patience -= _POLL_S if cancelled() else 0.0
            if patience <= 0:
                return None
        found = self._ray.get(answer)
        if isinstance(found, MimoError):
            raise found
        return found

    def observe(self, progress: Progress) -> None:
        """Tell news, without waiting for the answer."""
        self._send("progress", progress)

    def _send(self, kind: str, body: Any) -> Any:
        item, identity = self.item, uuid.uuid4().hex
        message = Message(kind=kind, work=item.name, turn=item.turn, body=body, identity=identity)
        return self._mailbox.ask.remote(message)

    @contextlib.contextmanager
    def opened(self, testbed: TestBed) -> Iterator[tuple[TestBed, StopSignal]]:
        """Fetch what is missing; give the driver's test bed with what this node has, and what says that it ends."""
        item = self.item
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
                there = (path for path in testbed.tests.readable if path.exists())
                sandbox = open_sandbox(
                    item.sandbox,
                    hidden=(repository.common_dir, state_home()),
                    readable=(base_objects(repository, item.base), *there),
                )
                scratch, cancelled = self.path / "bench", stop_signal.is_set
                yield (
                    replace(testbed, repository=repository, sandbox=sandbox, scratch=scratch, cancelled=cancelled),
                    stop_signal,
                )
        finally:
            ended.set()
            remove_tree(self.path, ignore_errors=True)
            self.path.with_suffix(".lock").unlink(missing_ok=True)

    def _repository(self) -> Repository:
        """The task's own repository: its refs are its own, and they go with it."""
        store = self._top / "objects" / f"{self.item.project}.git"
        with hold_lock(store.with_suffix(".lock"), wait_s=600):
            if not (store / "HEAD").exists():
                _init(store)
            kept = Repository.discover(store, environ={})
            self._fetch(kept, base_ref(self.item.session), self.item.base)
            # later sessions get what is new only
            name = f"refs/mimo/base/{self.item.base}"
            if refs.read_ref(kept, name) is None:
                refs.update_ref(kept, name, self.item.base, expected=None, reason="mimo: base of a session")
        paths = self.path / "repository.git"
        _init(paths)
        (paths / "objects/info").mkdir(exist_ok=True)
        (paths / "objects/info/alternates").write_text(f"{store / 'objects'}\n")
        (paths / "info").mkdir(exist_ok=True)
        (paths / "info/exclude").write_bytes(self.item.excludes)
        for name, value in (("name", self.item.author.name), ("email", self.item.author.email)):
            run_git(["config", f"user.{name}", value], git_dir=paths, cwd=paths)
        repository = Repository.discover(paths, environ={})
        repository.content_check = secret_check({})  # values that are known are not sent to workers
        if self.item.tip != self.item.base:
            self._fetch(repository, self.item.ref, self.item.tip)
        return repository

    def _fetch(self, repository: Repository, ref: str, wanted: Oid) -> None:
        """Get a commit from the driver, on top of the bases that are here."""
        if wanted in repository.pygit:
            return
        have = sorted({*refs.list_refs(repository, "refs/mimo/base/").values(), self.item.base} - {wanted})
        have = [oid for oid in have if oid in repository.pygit]
        for piece in self.ask("objects", (ref, tuple(have))):
            read_pack(repository, self._ray.get(piece), is_trusted=True)
        if wanted not in repository.pygit:
            raise CheckError(f"the commit did not come with its pack: `{wanted}`")

    def _watch(self, stop_signal: StopSignal, ended: threading.Event) -> None:
        while not ended.wait(_POLL_S):
            reason = self._ray.get(self._mailbox.stop_reason.remote())
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


def load_ray() -> Any:
    """Import Ray, which takes a second and is there only where it was asked for. ConfigError without it."""
    try:
        return importlib.import_module("ray")
    except ImportError as exc:
        raise ConfigError("the executor `ray` needs the library ray", hint=install_hint("ray")) from exc


def write_pack(repository: Repository, tip: Oid, *, have: Sequence[Oid] = ()) -> bytes:
    """Return what a repository with the commits `have` lacks of a commit's history; empty when it has the commit.

    Of `have`, commits that are unknown here are passed over.
    """
    known = [oid for oid in have if oid in repository.pygit]
    if tip in known:
        return b""
    wanted = "".join(f"{line}\n" for line in (tip, *(f"^{oid}" for oid in known)))
    return repository.run("pack-objects", "-q", "--revs", "--thin", "--stdout", input=wanted.encode()).stdout


def read_pack(repository: Repository, pack: bytes, *, is_trusted: bool) -> None:
    """Store a pack's objects; refs are the caller's to move. RepoError when it is damaged or lacks what it builds on.

    Unless it is trusted, every object and link is checked. A small one is kept as loose objects: a pack for each step
    of each candidate would slow down every later git command.
    """
    strict = [] if is_trusted else ["--strict"]
    if int.from_bytes(pack[8:12]) <= _MOST_LOOSE:
        repository.run("unpack-objects", "-q", *strict, input=pack)
    else:
        repository.run("index-pack", "--stdin", "--fix-thin", *strict, input=pack)
