"""The model server that all rows share: git-mimo's own on loopback, as a child process, with its own counts of tokens.

Its drafts, looked up in the text so far, help every row: they change how long a reply takes and not what it says.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitmimo.llm.local_server import server_params

MODEL = "qwen2.5-coder-1.5b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the server read (without what its cache knew) and wrote."""

    read: int = 0
    written: int = 0

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(read=self.read - other.read, written=self.written - other.written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    root: str
    pid: int = 0  # 0 where it was not started here

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    def tokens(self) -> Tokens:
        """The counts so far, once no request is running: what a killed tool asked for is still written."""
        while True:
            counts = self._counts()
            if not counts["requests_processing"] and not counts["requests_deferred"]:
                return Tokens(read=counts["prompt_tokens_total"], written=counts["tokens_predicted_total"])
            time.sleep(0.5)

    def _counts(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=120) as response:
            text = response.read().decode()
        return {name: int(float(value)) for name, value in re.findall(r"^llamacpp:(\w+) (\S+)$", text, re.M)}


@contextlib.contextmanager
def serve(model: Path, *, threads: int, max_tokens: int) -> Iterator[Server]:
    """Start a server, wait until it answers, stop it in the end. No reply is longer than `max_tokens`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.bugs.server", str(model), str(port), str(threads), str(max_tokens)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            server = Server(root=f"http://127.0.0.1:{port}", pid=process.pid)
            _wait(server, process)
            yield server
        finally:
            process.terminate()


def _wait(server: Server, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the model server did not start")
        try:
            with urllib.request.urlopen(f"{server.root}/health", timeout=5):
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the model server does not answer")


def _run(model: str, port: int, threads: int, max_tokens: int) -> None:
    import xllamacpp

    params = server_params(xllamacpp, {"gguf": model, "key": "", "n_ctx": 16384, "threads": threads})
    params.api_keys = []
    params.port = port
    params.model_alias = {MODEL}
    params.n_predict = max_tokens
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    while sys.stdin.buffer.read(1):  # ends with the parent, however that ends
        pass
    del server
    os._exit(0)


if __name__ == "__main__":
    _run(sys.argv[1], *(int(value) for value in sys.argv[2:5]))
