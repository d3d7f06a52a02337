"""Stands in for the model library in a child process: the same few names, served by the scripted server."""

import os
import sys
import types
from pathlib import Path

from tests.scripted_server import Answer, Request, ScriptedServer

if "MEMINFO_OF_TEST" in os.environ:
    sys.modules["__main__"].MEMINFO = Path(os.environ["MEMINFO_OF_TEST"])  # type: ignore[attr-defined]


class CommonParams(types.SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(
            model=types.SimpleNamespace(path=""),
            cpuparams=types.SimpleNamespace(n_threads=0),
            cpuparams_batch=types.SimpleNamespace(n_threads=0),
            speculative=types.SimpleNamespace(types=[], ngram_simple=types.SimpleNamespace()),
        )


class common_speculative_type:  # noqa: N801
    COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE = 1


class Server:
    def __init__(self, params: CommonParams) -> None:
        if Path(params.model.path).read_bytes()[:4] != b"GGUF":
            raise RuntimeError("failed to load model")
        self._server = ScriptedServer({"*": _answer}, key=params.api_keys[0])

    @property
    def listening_address(self) -> str:
        return self._server.base_url.removesuffix("/v1")


def _answer(request: Request) -> Answer:
    said = request.messages[-1]["content"]
    if said == "crash":
        os._exit(9)
    return Answer(text=f"{os.getpid()} {said}", latency_s=0.1 if said == "slowly" else 0.0)
