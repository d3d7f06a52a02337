"""Ray itself: a cluster joined or started, tasks placed in it, and what driver and workers send: messages, bundles."""

import asyncio
import contextlib
import importlib
import io
import logging
import os
import signal
import struct
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitmimo.errors import CheckError, ConfigError, MimoError, RepoError, install_hint
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Ident, Repository
from gitmimo.ids import Oid, SessionId

_LONGEST_QUIET_S = 0.25
_SIGNATURE = b"# v2 git bundle\n"
_PACK_HEADER = struct.Struct(">4s2L")
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
class Shipment:
    """A step's commit, on top of what the driver has, as a bundle."""

    step: int
    parent: Oid
    commit: Oid
    bundle: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a worker. `kind` is objects, model, step or progress; `body` what belongs to it."""

    kind: str
    work: str
    turn: int
    body: Any
    identity: str = ""  # of a question, for its answer


class Cluster:
    """A connection to one cluster, with the session's mailbox on this node. One a process."""

    def __init__(self, address: str) -> None:
        """Join the cluster at `address`; without one the cluster that Ray finds, or a new one on this machine."""
        ray = load_ray()
        if address.startswith("ray://"):
            raise ConfigError(
                f"a Ray client has no node of its own, which the mailbox needs: `{address}`",
                hint="start git-mimo on a node of the cluster, for example as a Ray job, with --ray-address auto",
            )
        self.ray: Any = ray  # the library
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._aside = contextlib.ExitStack()
        try:
            with _undisturbed():
                # Ray tells of lost nodes on stdout, where a session's result belongs; what counts comes as an error
                self._aside.enter_context(contextlib.redirect_stdout(io.StringIO()))
                ray.init(
                    address=address or None, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
            self._aside.close()
            raise ConfigError(f"no Ray cluster at `{address or 'this machine'}`: {exc}") from exc
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox: Any = (
            ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here, max_concurrency=1000).remote()
        )

    def submit(self, task: Any, resource: str, item: WorkItem, *sent: Any) -> Any:
        """Start a task, which gets the item, the mailbox and what else is sent.

        It takes one CPU, and one of the named resource where the cluster's nodes declare it.
        """
        needs = {resource: 1} if resource in self.ray.cluster_resources() else {}
        remote = self.ray.remote(task).options(num_cpus=1, resources=needs, max_retries=0, name=resource)
        return remote.remote(item, self._mailbox, *sent)

    def result(self, running: Any) -> Any:
        """The result of a finished task, or its error; None if its worker, its node or its input was lost."""
        errors = self.ray.exceptions
        try:
            return self.ray.get(running)
        except errors.RayTaskError as exc:
            if isinstance(exc.cause, errors.RayError):
                return None
            if isinstance(exc.cause, MimoError):
                raise exc.cause from None
            raise CheckError(f"a Ray task failed: {exc.cause!r}") from exc
        except errors.RayError:
            return None

    def collect(self, stop: str) -> list[Message] | None:
        """The messages that arrived; None when the mailbox is gone, and with it the connection."""
        try:
            messages: list[Message] = self.ray.get(self._mailbox.collect.remote(stop))
        except self.ray.exceptions.RayError:
            return None
        return messages

    def answer(self, identity: str, answer: Any) -> None:
        """Answer a question; an error is raised where it was asked."""
        self._mailbox.answer.remote(identity, answer)

    def leave(self) -> None:
        """Disconnect, which ends the session's tasks and its mailbox; a cluster that was started here ends."""
        self.ray.shutdown()
        self._aside.close()


def load_ray() -> Any:
    """Import Ray, which takes a second and is there only where it was asked for. ConfigError without it."""
    try:
        return importlib.import_module("ray")
    except ImportError as exc:
        raise ConfigError("the executor `ray` needs the library ray", hint=install_hint("ray")) from exc


@contextlib.contextmanager
def _undisturbed() -> Any:
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


class Mailbox:
    """A Ray actor on the driver's node. Workers ask and tell, the driver collects and answers; both can go any time."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._arrived = asyncio.Event()
        self._stop = ""

    async def ask(self, message: Message) -> Any:
        """Deliver a question and wait for its answer, an error among them."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[message.identity] = answer
        await self.tell(message)
        try:
            return await answer
        finally:
            self._waiting.pop(message.identity, None)

    async def tell(self, message: Message) -> None:
        """Deliver news."""
        self._messages.append(message)
        self._arrived.set()

    async def collect(self, stop: str) -> list[Message]:
        """Hand over what arrived, after a short wait when nothing did; `stop` is why the session ends, for workers."""
        self._stop = stop or self._stop
        try:
            await asyncio.wait_for(self._arrived.wait(), _LONGEST_QUIET_S)
        except TimeoutError:
            return []
        self._arrived.clear()
        messages, self._messages = self._messages, []
        return messages

    async def answer(self, identity: str, answer: Any) -> None:
        """Pass an answer on; one whose worker is gone is dropped."""
        waiting = self._waiting.get(identity)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def stop_reason(self) -> str:
        """Why the session ends; empty while it runs."""
        return self._stop


def write_bundle(repository: Repository, ref: str, *, have: Sequence[Oid] = ()) -> bytes:
    """Return what a repository with the commits `have` lacks of the ref's history; empty when it has the ref's commit.

    Of `have`, commits that are unknown here are passed over.
    """
    tip = read_ref(repository, ref)
    if tip is None:
        raise RepoError(f"no such ref: `{ref}`")
    known = [oid for oid in have if oid in repository.pygit]
    if tip in known:
        return b""
    return repository.run("bundle", "create", "--quiet", "-", ref, *(f"^{oid}" for oid in known)).stdout


def read_bundle(repository: Repository, bundle: bytes, *, is_trusted: bool) -> None:
    """Store a bundle's objects; refs are the caller's to move. RepoError when it is damaged or its base isn't here.

    Unless it is trusted, every object and link is checked. A small one is kept as loose objects: a pack for each step
    of each candidate would slow down every later git command.
    """
    header, found, pack = bundle.partition(b"\n\n")
    if not found or not bundle.startswith(_SIGNATURE) or len(pack) < _PACK_HEADER.size:
        raise RepoError("not a bundle")
    for line in header.split(b"\n")[1:]:
        oid = line[1:41].decode("ascii", "replace")
        if line.startswith(b"-") and oid not in repository.pygit:
            raise RepoError(f"the bundle builds on a commit that is not here: `{oid}`")
    strict = [] if is_trusted else ["--strict"]
    count = _PACK_HEADER.unpack_from(pack)[2]
    if count <= _MOST_LOOSE:
        repository.run("unpack-objects", "-q", *strict, input=pack)
    else:
        repository.run("index-pack", "--stdin", "--fix-thin", *strict, input=pack)
