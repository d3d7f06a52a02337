"""The embedded local model: a server of our own on loopback, started on demand, shared, ended by its last user."""

import atexit
import contextlib
import hashlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.cancel import Cancelled
from gitmimo.errors import ModelError, NoModel, NoRoute
from gitmimo.llm.client import Call
from gitmimo.llm.failures import AttemptFailed
from gitmimo.llm.openai_client import Endpoint, OpenAIClient
from gitmimo.llm.registry import find_model, no_library
from gitmimo.llm.retry import sleep_unless
from gitmimo.llm.transport import Timeouts, Transport
from gitmimo.locks import FileLock, LockTimeout, hold_lock
from gitmimo.processes import is_alive, physical_cores, process_name
from gitmimo.records import Reply

_SERVER_FILE = Path(__file__).with_name("local_server.py")
_START_S = 300.0
_END_S = 5.0
_LEASE_S = 2.0
_SILENCE_S = 1800.0  # a small machine may read a long prompt for many minutes before the first token
_TOTAL_S = 3600.0
_LOG_TAIL = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Where models and the server's state lie, and how the server runs. Zero threads: as many as physical cores.

    `linger_s` keeps the server that long after its last user; `cache_mib` bounds the prompts it remembers.
    """

    model_dir: Path
    state_dir: Path
    n_ctx: int = 8192
    threads: int = 0
    linger_s: float = 0.0
    cache_mib: int = 512


class LocalClient:
    """Calls the server of one model file. Requests take turns, over all processes, first come first served in each."""

    def __init__(
        self, name: str, settings: LocalSettings, timeouts: Timeouts, *, extra: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.window = settings.n_ctx
        self._extra = dict(extra or {})
        self._timeouts = Timeouts(
            connect_s=timeouts.connect_s,
            silence_s=max(timeouts.silence_s, _SILENCE_S),
            total_s=max(timeouts.total_s, _TOTAL_S),
        )
        self._server = shared_server(find_model(name, settings.model_dir), settings)
        self._lock = threading.Lock()
        self._client: OpenAIClient | None = None
        self._address = ""

    def attempt(self, call: Call) -> Reply:
        """See `Client.attempt`. A server that is not there is started first."""
        try:
            address, key = self._server.ensure(call.cancelled)
        except ModelError as exc:
            raise AttemptFailed(exc) from exc
        client = self._client_for(address, key)
        with self._server.turn(call.cancelled):
            return client.attempt(call)

    def close(self) -> None:
        """Let go of the server; it ends when nobody else uses it."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client, self._address = None, ""
        self._server.release()

    def _client_for(self, address: str, key: str) -> OpenAIClient:
        with self._lock:
            if self._client is None or self._address != address:
                endpoint = Endpoint(
                    provider="local", model="local", name=self.name, key=key, timeouts=self._timeouts, extra=self._extra
                )
                self._client, self._address = OpenAIClient(endpoint, Transport(f"{address}/v1")), address
            return self._client


class LocalServer:
    """One model file's server as this process sees it: at most one lease, however many threads use it."""

    def __init__(self, gguf: Path, settings: LocalSettings) -> None:
        self._gguf = gguf
        self._settings = settings
        facts = gguf.stat()
        identity = f"{gguf.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{settings.n_ctx}\0{settings.threads}"
        stem = settings.state_dir / "local" / hashlib.sha256(identity.encode()).hexdigest()[:12]
        self._state = stem.with_suffix(".json")
        self._log = stem.with_suffix(".log")
        self._start_path = stem.with_suffix(".start")
        self._turn_path = stem.with_suffix(".turn")
        self._lease = FileLock(stem.with_suffix(".users"))
        self._lock = threading.Lock()
        self._queue: deque[object] = deque()
        self._running: dict[str, Any] = {}

    def ensure(self, cancelled: Callable[[], bool] | None = None) -> tuple[str, str]:
        """Address and key of the running server; started when there is none. Raises Cancelled, NoModel, NoRoute."""
        with self._lock:
            if self._lease.is_held and self._running and is_alive(self._running["process"]):
                return self._running["address"], self._running["key"]
            self._state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _hold(self._start_path, cancelled, wait_s=_START_S):
                # the server takes this lock for an instant each second, to see whether it has users
                if not self._lease.is_held and not self._lease.acquire(shared=True, wait_s=_LEASE_S):
                    raise NoRoute("the local model's server is ending", hint="try again in a moment")
                self._running = self._read_state() or self._start(cancelled)
            return self._running["address"], self._running["key"]

    def release(self) -> None:
        """Give the lease back and end the server when it was the last one."""
        with self._lock:
            if not self._lease.is_held:
                return
            self._lease.release()
            with contextlib.suppress(LockTimeout), hold_lock(self._start_path, wait_s=_END_S):
                alone = FileLock(self._lease.path)
                if self._settings.linger_s <= 0 and alone.acquire():
                    self._end()
                    alone.release()
            self._running = {}

    @contextlib.contextmanager
    def turn(self, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
        """Wait for this thread's turn, in order of arrival, then for other processes'. Raises Cancelled."""
        ticket = object()
        self._queue.append(ticket)
        try:
            while self._queue[0] is not ticket:
                sleep_unless(cancelled, 0.01)
            with _hold(self._turn_path, cancelled, wait_s=_TOTAL_S):
                yield
        finally:
            self._queue.remove(ticket)

    # --- under the start lock ----------------------------------------------------------------------------------------

    def _read_state(self) -> dict[str, Any]:
        """What a running server left, empty when there is none that lives."""
        try:
            state = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) and is_alive(str(state.get("process", ""))) else {}

    def _start(self, cancelled: Callable[[], bool] | None) -> dict[str, Any]:
        _reap()
        key = secrets.token_urlsafe(24)
        options = {
            "gguf": str(self._gguf),
            "n_ctx": self._settings.n_ctx,
            "threads": self._settings.threads or physical_cores(),
            "cache_mib": self._settings.cache_mib,
            "key": key,
            "users": str(self._lease.path),
            "start": str(self._start_path),
            "state": str(self._state),
            "linger_s": self._settings.linger_s,
        }
        with self._log.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", str(_SERVER_FILE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is ours to handle
                cwd="/",
                text=True,
            )
        _children.append(child)
        done = False
        try:
            answer = self._first_line(child, json.dumps(options), cancelled)
            if "address" not in answer:
                raise self._failure(answer)
            state = {"process": process_name(child.pid), "key": key, **answer}
            self._write_state(state)
            done = True
        finally:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            if not done:
                child.kill()
                child.wait()
                _children.remove(child)
        return state

    def _first_line(
        self, child: "subprocess.Popen[str]", options: str, cancelled: Callable[[], bool] | None
    ) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already: what it says comes on stdout
            child.stdin.write(options + "\n")
            child.stdin.flush()
        poll = select.poll()
        poll.register(child.stdout, select.POLLIN | select.POLLHUP)
        ends = time.monotonic() + _START_S
        while not poll.poll(50):
            sleep_unless(cancelled, 0)
            if time.monotonic() > ends:
                return {"error": f"it was not ready after {_START_S:g} s"}
        try:
            answer = json.loads(child.stdout.readline() or "{}")
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def _failure(self, answer: dict[str, Any]) -> ModelError:
        said = " ".join(self._log.read_text(errors="replace")[-_LOG_TAIL:].split())
        reason = answer.get("error") or said or "it ended without a word"
        if answer.get("code") == 3:
            return no_library(str(reason))
        return NoModel(
            f"the local model did not start: {reason}",
            hint=f"see {self._log}; when the file is damaged: git mimo models pull --force",
        )

    def _write_state(self, state: dict[str, Any]) -> None:
        draft = self._state.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(state, file)
        draft.replace(self._state)

    def _end(self) -> None:
        """Terminate the server, ours or another's child, and see it gone."""
        state = self._read_state()
        self._state.unlink(missing_ok=True)
        name = str(state.get("process", ""))
        for sent in (signal.SIGTERM, signal.SIGKILL):
            ends = time.monotonic() + _END_S
            if is_alive(name):
                os.kill(int(name.partition(":")[0]), sent)
            while time.monotonic() < ends and is_alive(name):
                time.sleep(0.01)
        _reap()


_servers: dict[tuple[Path, LocalSettings], LocalServer] = {}
_servers_lock = threading.Lock()
_children: list["subprocess.Popen[str]"] = []  # may outlive the view that started them, for other users


def shared_server(gguf: Path, settings: LocalSettings) -> LocalServer:
    """This process's one view of a server; let go of at its end at the latest."""
    with _servers_lock:
        if not _servers:
            atexit.register(release_servers)
        return _servers.setdefault((gguf, settings), LocalServer(gguf, settings))


def release_servers() -> None:
    """Give back every local server that this process uses."""
    with _servers_lock:
        servers = list(_servers.values())
    for server in servers:
        server.release()


@contextlib.contextmanager
def _hold(path: Path, cancelled: Callable[[], bool] | None, *, wait_s: float) -> Iterator[None]:
    """Hold a lock; NoRoute when it isn't free in time, Cancelled when the caller gave up."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_lock(path, wait_s=wait_s, cancelled=cancelled or _never))
        except LockTimeout as exc:
            if cancelled is not None and cancelled():
                raise Cancelled from exc
            raise NoRoute("another git-mimo uses the local model for too long", hint="git mimo doctor") from exc
        yield


def _never() -> bool:
    return False


def _reap() -> None:
    """Forget children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]
