"""The embedded model server: a child process that serves one GGUF file on loopback until it has no users.

Run as a file of its own, it imports nothing of the package. Its options come as one JSON line on standard input (a key
on the command line could be read by everyone); one JSON line on standard output says where it listens or what failed.

Each user has a shared lock on `users`. The server tries an exclusive lock every second to see whether any is left,
and ends after `linger_s`, or as soon as memory runs short, so it outlives neither a killed user nor a crashed one.
A user locks `start` while starting or stopping the server.

At its end it writes what it has read last to `prefix`, and the next server begins with that: the part of a prompt that
is the same for a repository is then not read again.
"""

import contextlib
import fcntl
import http.client
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

MEMINFO = Path("/proc/meminfo")
_LOOK_S = 1.0
_BATCH_TOKENS = 128
_DRAFT_TOKENS = 16
_PROMPT_CACHE_MIB = 512
_SCARCE = 0.08  # of the machine's memory: a server without users ends when less is available
_PREFIX_S = 1.0
_NO_LIBRARY = 3
_NO_MODEL = 4


def serve(options: dict[str, Any]) -> NoReturn:
    """Load the model, say where it listens, and wait for the users to go."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    # threads that wait a little and then sleep: spinning ones stall when tests use the cores too
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    try:
        library = importlib.import_module("xllamacpp")
    except ImportError as exc:
        _fail(_NO_LIBRARY, str(exc))
    try:
        server = library.Server(server_params(library, options))
        address = server.listening_address
    except (RuntimeError, ValueError, OSError) as exc:
        _fail(_NO_MODEL, str(exc))
    if not address:
        _fail(_NO_MODEL, "the model could not be loaded")
    _use_prefix(address, options, "restore")
    signal.signal(signal.SIGTERM, lambda number, frame: _end(address, options))  # the library may have set its own
    _say({"address": address})
    _wait_for_users(options)
    Path(options["state"]).unlink(missing_ok=True)
    _end(address, options)


def server_params(library: Any, options: dict[str, Any]) -> Any:
    """The options as llama.cpp's parameters.

    One slot: two streams at once are not faster on a few cores. Replies to edit requests repeat most of the prompt, so
    drafts are looked up in the text so far: a whole-file reply comes sooner, and says the same. Short ones: the
    library's 48 tokens cost slow cores more than they save when the reply leaves the text after a few. Prompts are read
    in small batches, which is as quick: the server notices an abandoned request only between two of them.
    """
    params = library.CommonParams()
    params.model.path = options["gguf"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["key"]]
    params.n_ctx = options["n_ctx"]
    params.n_parallel = 1
    params.n_batch = _BATCH_TOKENS
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.speculative.types = [library.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    params.speculative.ngram_simple.size_m = _DRAFT_TOKENS
    params.ui = False
    params.endpoint_slots = False
    if "prefix" in options:
        params.slot_save_path = f"{Path(options['prefix']).parent}/"
    params.verbosity = 1
    return params


def _end(address: str, options: dict[str, Any]) -> NoReturn:
    _use_prefix(address, options, "save")
    os._exit(0)  # an orderly shutdown can wait for an abandoned request


def _use_prefix(address: str, options: dict[str, Any], action: str) -> None:
    """Save or restore what the one slot has read; a server that is busy, or a file that is none, changes nothing."""
    server = http.client.HTTPConnection(address.removeprefix("http://"), timeout=_PREFIX_S)
    headers = {"Authorization": f"Bearer {options['key']}", "Content-Type": "application/json"}
    with contextlib.suppress(OSError, http.client.HTTPException):
        body = json.dumps({"filename": Path(options["prefix"]).name})
        server.request("POST", f"/slots/0?action={action}", body, headers)
        server.getresponse().read()
    server.close()


def _wait_for_users(options: dict[str, Any]) -> None:
    """Return, holding both locks, after `linger_s` without users, or at once without users when memory is short."""
    alone_since: float | None = None
    while True:
        time.sleep(_LOOK_S)
        users = _try_lock(options["users"])
        if users is None:
            alone_since = None
            continue
        alone_since = alone_since or time.monotonic()
        is_over = time.monotonic() - alone_since >= options["linger_s"] or is_memory_short(MEMINFO)
        if is_over and _try_lock(options["start"]) is not None:
            return
        os.close(users)


def is_memory_short(meminfo: Path) -> bool:
    """Whether other programs need the memory that a server keeps; False where the system doesn't say."""
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        total, available = (int(fields[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError):
        return False
    return available < total * _SCARCE


def _try_lock(path: str) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _fail(code: int, reason: str) -> NoReturn:
    _say({"error": reason, "code": code})
    os._exit(code)


if __name__ == "__main__":
    serve(json.loads(sys.stdin.readline()))
