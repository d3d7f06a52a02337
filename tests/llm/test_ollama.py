"""Ollama's own language, against a server that speaks it."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitmimo.errors import UnknownModel
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import Message, Tool, ToolCall
from tests.llm.asking import ask

HELLO = (Message(role="user", content="hello"),)
ADD = Tool(name="add", description="adds", parameters={"type": "object", "properties": {}})


class Ollama(http.server.BaseHTTPRequestHandler):
    """Answers `/api/chat` with the lines that the class holds."""

    protocol_version = "HTTP/1.1"
    lines: list[dict[str, Any]] = []
    bodies: list[dict[str, Any]] = []
    size = "7.6B"
    capabilities = ["completion", "tools"]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/chat":
            self.bodies.append(body)
        known = body["model"] == "qwen:7b" and self.path == "/api/chat"
        data = b"".join(json.dumps(line).encode() + b"\n" for line in self.lines)
        if self.path == "/api/show":
            known, data = (
                True,
                json.dumps({"details": {"parameter_size": self.size}, "capabilities": self.capabilities}).encode(),
            )
        data = data if known else b'{"error": "model \'other\' not found"}'
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/x-ndjson" if known else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def ollama() -> Iterator[Settings]:
    Ollama.lines, Ollama.bodies = [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ollama) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield Settings(
            environ={"OLLAMA_HOST": f"127.0.0.1:{server.server_address[1]}"},
            key_for=lambda provider: None,
            local=LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere")),
            windows={"ollama/qwen:7b": 12_000},
        )
        server.shutdown()


def test_a_reply_comes_with_its_usage_and_the_window_is_asked_for(ollama: Settings) -> None:
    Ollama.lines = [
        {"message": {"role": "assistant", "content": "good "}, "done": False},
        {"message": {"role": "assistant", "content": "day"}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 2},
    ]
    model = open_model("ollama/qwen:7b", ollama)
    reply = ask(model, HELLO, temperature=0.5, max_tokens=100, stop=("X",))
    assert (reply.text, reply.finish_reason, reply.cost_usd) == ("good day", "stop", 0)
    assert (reply.usage.prompt, reply.usage.completion) == (7, 2)
    assert Ollama.bodies[0]["options"] == {"num_ctx": 12_000, "num_predict": 100, "temperature": 0.5, "stop": ["X"]}
    assert (model.info.window, model.info.is_small, model.info.accepts_prefill) == (12_000, True, False)


def test_a_large_model_of_ollama_is_not_small(ollama: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ollama, "size", "32.8B")
    info = open_model("ollama/qwen:7b", ollama).info
    assert (info.is_small, info.supports_tools) == (False, True)


def test_a_model_without_function_calls_is_known_before_it_is_asked(
    ollama: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ollama, "capabilities", ["completion"])
    assert not open_model("ollama/qwen:7b", ollama).info.supports_tools


def test_function_calls_keep_their_arguments_apart(ollama: Settings) -> None:
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    Ollama.lines = [
        {"message": {"content": "", "tool_calls": [call, call]}, "done": False},
        {"message": {"content": "", "tool_calls": [call]}, "done": False},
        {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 9},
    ]
    asked = Message(role="assistant", content="", tool_calls=(ToolCall(id="c", name="add", arguments='{"a": 2}'),))
    reply = ask(open_model("ollama/qwen:7b", ollama), (*HELLO, asked), tools=(ADD,))
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [
        (f"call_{n}", "add", '{"a": 1}') for n in range(3)
    ]
    assert reply.finish_reason == "tool_calls"
    assert Ollama.bodies[0]["messages"][1]["tool_calls"] == [{"function": {"name": "add", "arguments": {"a": 2}}}]


def test_a_model_that_was_not_pulled_is_told(ollama: Settings) -> None:
    with pytest.raises(UnknownModel, match="no model named `ollama/other`"):
        ask(open_model("ollama/other", ollama), HELLO)
