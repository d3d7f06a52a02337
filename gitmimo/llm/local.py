"""The embedded local model: a server of our own on loopback, started on demand, shared, and kept for a while."""

import atexit
import contextlib
import hashlib
import json
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.errors import ModelError, NoModel, NoRoute
from gitmimo.files import FileLock, LockTimeout, hold_lock, write_file
from gitmimo.llm.connection import Timeouts
from gitmimo.llm.http_client import Endpoint, HttpBackend
from gitmimo.llm.local_models import find_model, missing_library
from gitmimo.llm.model import AttemptFailed, ChatRequest
from gitmimo.processes import is_alive, physical_cores, process_name, stop_process
from gitmimo.records import Reply

_SERVER_FILE = Path(__file__).with_name("local_server.py")
_START_S = 300.0
_END_S = 5.0
_LEASE_S = 2.0
_PREFIX_AGE_S = 24 * 3600.0
_READ_S = 1800.0  # a small machine may read a long prompt for many minutes before the first token
_TOTAL_S = 3600.0
_LOG_TAIL = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Where models and the server's state are, and how the server runs.

    `linger_s` keeps it that long after its last user, unless memory runs short.
    """

    model_dir: Path
    state_dir: Path
    n_ctx: int = 8192
    linger_s: float = 0.0


class LocalBackend:
    """Calls the server of one model file, which answers one request after the other, of whatever process."""

    def __init__(self, name: str, settings: LocalSettings, timeouts: Timeouts) -> None:
        path = find_model(name, settings.model_dir)
        self.name = name
        self.window = settings.n_ctx
        self.size = path.stat().st_size
        self._timeouts = Timeouts(
            connect_s=timeouts.connect_s, read_s=max(timeouts.read_s, _READ_S), total_s=max(timeouts.total_s, _TOTAL_S)
        )
        self._server = shared_server(path, settings)
        self._lock = threading.Lock()
        self._http: HttpBackend | None = None

    def send(self, request: ChatRequest) -> Reply:
        """See `Backend.send`. A server that is not there is started first."""
        try:
            address, key = self._server.ensure(request.cancel)
        except ModelError as exc:
            raise AttemptFailed(exc) from exc
        return self._http_for(f"{address}/v1", key).send(request)

    def close(self) -> None:
        """Give the lease back; without `linger_s` the server ends when nobody else uses it."""
        with self._lock:
            if self._http is not None:
                self._http.close()
            self._http = None
        self._server.release()

    def _http_for(self, base_url: str, key: str) -> HttpBackend:
        with self._lock:
            if self._http is None or self._http.endpoint.base_url != base_url:
                self._http = HttpBackend(
                    Endpoint(
                        base_url=base_url,
                        provider="local",
                        model="local",
                        name=self.name,
                        key=key,
                        timeouts=self._timeouts,
                    )
                )
            return self._http


class ServerLease:
    """One model file's server as this process uses it: at most one lease, however many threads use it."""

    def __init__(self, gguf: Path, settings: LocalSettings) -> None:
        self._gguf = gguf
        self._settings = settings
        facts = gguf.stat()
        identity = f"{gguf.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{settings.n_ctx}"
        stem = settings.state_dir / "local" / hashlib.sha256(identity.encode()).hexdigest()[:12]
        self._state = stem.with_suffix(".json")
        self._log = stem.with_suffix(".log")
        self._prefix = stem.with_suffix(".prefix")
        self._start_path = stem.with_suffix(".start")
        self._lease = FileLock(stem.with_suffix(".users"))
        self._lock = threading.Lock()
        self._running: dict[str, Any] = {}

    def ensure(self, cancel: CancelToken = NEVER) -> tuple[str, str]:
        """Address and key of the running server; started when there is none. Raises Cancelled, NoModel, NoRoute."""
        with self._lock:
            if self._lease.is_held and self._running and is_alive(self._running["process"]):
                return self._running["address"], self._running["key"]
            self._state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with hold_lock(self._start_path, wait_s=_START_S, cancelled=cancel.is_set):
                    # the server takes this lock for an instant each second, to see whether it has users
                    if not self._lease.is_held and not self._lease.acquire(shared=True, wait_s=_LEASE_S):
                        raise NoRoute("the local model's server is ending", hint="try again in a moment")
                    self._running = _read_state(self._state) or self._start(cancel)
            except LockTimeout as exc:
                cancel.check()
                raise NoRoute("another git-mimo starts the local model for too long", hint="git mimo doctor") from exc
            return self._running["address"], self._running["key"]

    def release(self) -> None:
        """Give the lease back; end the server when this was the last one and it isn't kept."""
        with self._lock:
            if not self._lease.is_held:
                return
            self._lease.release()
            with contextlib.suppress(LockTimeout), hold_lock(self._start_path, wait_s=_END_S):
                alone = FileLock(self._lease.path)
                if self._settings.linger_s <= 0 and alone.acquire():
                    _end(self._state)
                    alone.release()
            self._running = {}

    # --- under the start lock ----------------------------------------------------------------------------------------

    def _start(self, cancel: CancelToken) -> dict[str, Any]:
        _reap()
        _drop_old_prefixes(self._prefix)
        key = secrets.token_urlsafe(24)
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
            answer = _first_line(child, json.dumps(self._options(key)), cancel)
            if "address" not in answer:
                raise self._failure(answer)
            state = {"process": process_name(child.pid), "key": key, "model": self._gguf.stem, **answer}
            write_file(self._state, json.dumps(state))
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

    def _options(self, key: str) -> dict[str, Any]:
        """The server's options; see `local_server.serve`."""
        return {
            "gguf": str(self._gguf),
            "n_ctx": self._settings.n_ctx,
            "threads": physical_cores(),
            "key": key,
            "users": str(self._lease.path),
            "start": str(self._start_path),
            "state": str(self._state),
            "prefix": str(self._prefix),
            "linger_s": self._settings.linger_s,
        }

    def _failure(self, answer: dict[str, Any]) -> ModelError:
        log = " ".join(self._log.read_text(errors="replace")[-_LOG_TAIL:].split())
        reason = answer.get("error") or log or "it ended without output"
        if answer.get("code") == 3:
            return missing_library(str(reason))
        return NoModel(
            f"the local model did not start: {reason}",
            hint=f"see {self._log}; when the file is damaged: git mimo models pull --force",
        )


_leases: dict[tuple[Path, LocalSettings], ServerLease] = {}
_leases_lock = threading.Lock()
_children: list["subprocess.Popen[str]"] = []  # may outlive the lease that started them, for other users


def shared_server(gguf: Path, settings: LocalSettings) -> ServerLease:
    """This process's one lease on a server; released at its end at the latest."""
    with _leases_lock:
        if not _leases:
            atexit.register(release_servers)
        return _leases.setdefault((gguf, settings), ServerLease(gguf, settings))


def release_servers() -> None:
    """Release every local server that this process uses."""
    with _leases_lock:
        leases = list(_leases.values())
    for lease in leases:
        lease.release()


def stop_servers(state_dir: Path) -> tuple[str, ...]:
    """End the local servers that nobody uses now; return the names of their models."""
    stopped = []
    for state in sorted((state_dir / "local").glob("*.json")):
        users = FileLock(state.with_suffix(".users"))
        with contextlib.suppress(LockTimeout), hold_lock(state.with_suffix(".start"), wait_s=_END_S):
            if users.acquire(wait_s=_LEASE_S):
                stopped += [str(found.get("model", ""))] if (found := _read_state(state)) else []
                _end(state)
                users.release()
    return tuple(stopped)


def _drop_old_prefixes(own: Path) -> None:
    """Remove what servers of other models or windows have read more than a day ago: these files are large."""
    for path in own.parent.glob("*.prefix"):
        with contextlib.suppress(OSError):
            if path != own and time.time() - path.stat().st_mtime > _PREFIX_AGE_S:
                path.unlink()


def _read_state(path: Path) -> dict[str, Any]:
    """The state that a running server wrote; empty when none runs."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) and is_alive(str(state.get("process", ""))) else {}


def _end(state: Path) -> None:
    """Terminate a server, our child or another's, and wait for its end."""
    name = str(_read_state(state).get("process", ""))
    state.unlink(missing_ok=True)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if stop_process(name, sent, wait_s=_END_S):
            break
    _reap()


def _first_line(child: "subprocess.Popen[str]", options: str, cancel: CancelToken) -> dict[str, Any]:
    """Give the server its options and wait for its one line of JSON; empty when it says nothing."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it ended already: its output says why
        child.stdin.write(options + "\n")
        child.stdin.flush()
    poll = select.poll()
    poll.register(child.stdout, select.POLLIN | select.POLLHUP)
    ends = time.monotonic() + _START_S
    while not poll.poll(50):
        cancel.check()
        if time.monotonic() > ends:
            return {"error": f"it was not ready after {_START_S:g} s"}
    try:
        answer = json.loads(child.stdout.readline() or "{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _reap() -> None:
    """Forget children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]
