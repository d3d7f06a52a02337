"""An OpenAI-compatible server that answers per model name from a script, fails on demand, and counts what it sent.

In tests the fixture `llm_server`; for benchmarks `python -m tests.scripted_server --script FILE.json`, which prints its
base URL, serves `GET /stats`, and ends with its standard input. The file maps model names to lists of answers: a text,
or an object with the fields of `Answer`. `*` answers for every other name; a last answer with `repeat` never ends.
"""

import argparse
import enum
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

_REMEMBERED = 16


class Fault(enum.StrEnum):
    """How an answer goes wrong."""

    NONE = "none"
    HANG = "hang"  # the request is read, nothing comes back
    HANG_MIDWAY = "hang_midway"  # half of the text, then silence
    CUT = "cut"  # half of the text, then the connection closes
    WRONG_JSON = "wrong_json"
    NOT_A_REPLY = "not_a_reply"  # JSON of another form
    ERROR_MIDWAY = "error_midway"  # half of the text, then an error event
    ENDLESS = "endless"  # text up to max_tokens, then comments for ever
    BABBLE = "babble"  # text for ever, whatever max_tokens says; billed is only what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `tool_calls` are (name, arguments) pairs; `status` other than 200 answers with `text` as message."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[str, str], ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault = Fault.NONE
    usage: bool = True
    latency_s: float = 0.0
    pieces: int = 4
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came. `prefix_bytes` is how much of `prompt` had been sent before, from its beginning.

    Times are seconds of the clock: `came` when its first line had been read, `at` when it had been looked through.
    """

    number: int
    model: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    prompt: bytes
    prompt_tokens: int
    prefix_bytes: int
    came: float
    at: float

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])


Script = Sequence[str | Answer] | Callable[[Request], str | Answer]


@dataclass(slots=True)
class Billed:
    """What the server counted as sent: like a provider, it counts an answer as it leaves."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0


class ScriptedServer:
    """Runs in a thread on a free port of loopback. `scripts` may be changed while it runs."""

    def __init__(self, scripts: Mapping[str, Script] | None = None, *, key: str = "", port: int = 0) -> None:
        self.scripts: dict[str, Script] = dict(scripts or {})
        self.key = key
        self.listed: dict[str, dict[str, Any]] = {}  # what `/models` says of a model beside its name
        self.requests: list[Request] = []
        self.answered: dict[int, float] = {}  # when the answer to a request, by its number, was ready to be sent
        self.billed = Billed()
        self.connections = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._used: dict[str, int] = {}
        self._recent: list[bytes] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.scripted = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def prompt_bytes(self) -> int:
        return sum(len(request.prompt) for request in self.requests)

    @property
    def prefix_bytes(self) -> int:
        return sum(request.prefix_bytes for request in self.requests)

    def stats(self) -> dict[str, Any]:
        """Counts of everything so far."""
        with self.lock:
            return {
                "requests": len(self.requests),
                "answered": self.billed.requests,
                "prompt_tokens": self.billed.prompt,
                "completion_tokens": self.billed.completion,
                "largest_prompt_tokens": max((request.prompt_tokens for request in self.requests), default=0),
                "prompt_bytes": self.prompt_bytes,
                "prefix_bytes": self.prefix_bytes,
                "connections": self.connections,
                "first_request_at": self.requests[0].at if self.requests else None,
                "request_times": [request.at for request in self.requests],
            }

    def close(self) -> None:
        """Stop; answers that hang end."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def record(self, body: Mapping[str, Any], headers: Mapping[str, str], came: float) -> Request:
        """Note a request and what it shares with earlier ones."""
        prompt = json.dumps([body.get("tools"), body["messages"]], ensure_ascii=False).encode("utf-8", "replace")
        with self.lock:
            prefix = max((_common(prompt, earlier) for earlier in self._recent), default=0)
            self._recent = [*self._recent[-_REMEMBERED + 1 :], prompt]
            request = Request(
                number=len(self.requests) + 1,
                model=str(body["model"]),
                body=body,
                headers=headers,
                prompt=prompt,
                prompt_tokens=count_tokens(prompt) + 4 * len(body["messages"]),
                prefix_bytes=prefix,
                came=came,
                at=time.time(),
            )
            self.requests.append(request)
            return request

    def answer(self, request: Request) -> Answer:
        """The next answer for this model."""
        script = self.scripts.get(request.model, self.scripts.get("*"))
        if script is None:
            return Answer(status=404, text=f"The model `{request.model}` does not exist")
        if callable(script):
            return _as_answer(script(request))
        with self.lock:
            position = self._used.get(request.model, 0)
            self._used[request.model] = position + 1
        if position < len(script):
            return _as_answer(script[position])
        last = _as_answer(script[-1]) if script else Answer()
        return last if last.repeat else Answer(status=400, text=f"the script of {request.model} has no answer left")

    def bill(self, *, requests: int = 0, prompt: int = 0, completion: int = 0) -> None:
        """Count."""
        with self.lock:
            self.billed.requests += requests
            self.billed.prompt += prompt
            self.billed.completion += completion


def count_tokens(text: bytes) -> int:
    """The server's rule: four bytes are a token."""
    return (len(text) + 3) // 4


def _as_answer(value: str | Answer) -> Answer:
    return Answer(text=value) if isinstance(value, str) else value


def _common(one: bytes, other: bytes) -> int:
    """Length of the common prefix, by bisection: comparing is fast, counting is not."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    scripted: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.scripted.lock:
            self.server.scripted.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:  # noqa: N802
        scripted = self.server.scripted
        if self.path == "/stats":
            self._send_json(200, scripted.stats())
        elif self.path.endswith("/models"):
            listed = [{"id": name, **scripted.listed.get(name, {})} for name in scripted.scripts]
            self._send_json(200, {"object": "list", "data": listed})
        else:
            self._send_json(404, {"error": {"message": f"no such path: {self.path}"}})

    def do_POST(self) -> None:  # noqa: N802
        came = time.time()
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        scripted = self.server.scripted
        if len(raw) < length:  # the client went away
            self.close_connection = True
            return None
        if not self.path.endswith("/chat/completions"):
            return self._send_json(404, {"error": {"message": f"no such path: {self.path}"}})
        headers = {name.lower(): value for name, value in self.headers.items()}
        if scripted.key and headers.get("authorization") != f"Bearer {scripted.key}":
            return self._send_json(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        request = scripted.record(json.loads(raw), headers, came)
        answer = scripted.answer(request)
        scripted.answered[request.number] = time.time()
        if scripted.stopping.wait(answer.latency_s):
            self.close_connection = True
            return None
        if answer.status != 200:
            code = {"code": "model_not_found"} if answer.status == 404 else {}
            return self._send_json(answer.status, {"error": {"message": answer.text, **code}}, answer.headers)
        return self._answer(request, answer)

    def _answer(self, request: Request, answer: Answer) -> None:
        scripted = self.server.scripted
        scripted.bill(requests=1, prompt=request.prompt_tokens)
        if answer.fault is Fault.HANG:
            return self._hang()
        if answer.fault in (Fault.WRONG_JSON, Fault.NOT_A_REPLY):
            wrong = b'{"choices": [{"delta": {"con' if answer.fault is Fault.WRONG_JSON else b'["what"]'
            if request.body.get("stream"):
                self._start_stream(answer)
                self._chunk(b"data: " + wrong + b"\n\n")
                return self._chunk(b"")
            return self._send_bytes(200, wrong, {})
        if request.body.get("stream"):
            return self._stream(request, answer)
        text, finish = _limited(request, answer)
        completion = count_tokens(_spoken(text, answer))
        scripted.bill(completion=completion)
        message: dict[str, Any] = {"role": "assistant", "content": text, **_calls(answer)}
        value = {**_frame(request), "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
        if answer.usage:
            value["usage"] = _usage(request, completion)
        return self._send_json(200, value)

    def _stream(self, request: Request, answer: Answer) -> None:
        self._start_stream(answer)
        text, finish = _limited(request, answer)
        self._event(request, {"role": "assistant", "content": ""})
        if answer.reasoning:
            self._event(request, {"reasoning_content": answer.reasoning})
        pieces = list(_split(text, answer.pieces))
        completion = 0
        for position, piece in enumerate(pieces):
            if position >= (len(pieces) + 1) // 2 and answer.fault in (
                Fault.CUT,
                Fault.HANG_MIDWAY,
                Fault.ERROR_MIDWAY,
            ):
                return self._break(answer.fault)
            completion += count_tokens(piece.encode())
            self.server.scripted.bill(completion=count_tokens(piece.encode()))
            self._event(request, {"content": piece})
        if answer.fault in (Fault.ENDLESS, Fault.BABBLE):
            return self._go_on(request, answer.fault, completion)
        calls = _calls(answer)
        if calls:
            spent = count_tokens(_spoken("", answer))
            completion += spent
            self.server.scripted.bill(completion=spent)
            for delta in _call_deltas(calls["tool_calls"]):
                self._event(request, delta)
        self._event(request, {}, finish=finish)
        if answer.usage and (request.body.get("stream_options") or {}).get("include_usage"):
            value = {**_frame(request), "choices": [], "usage": _usage(request, completion)}
            self._chunk(f"data: {json.dumps(value)}\n\n".encode())
        self._chunk(b"data: [DONE]\n\n")
        return self._chunk(b"")

    def _go_on(self, request: Request, fault: Fault, completion: int) -> None:
        limit = int(request.body.get("max_tokens") or request.body.get("max_completion_tokens") or 1024)
        while not self.server.scripted.stopping.wait(0.001):
            if fault is Fault.BABBLE or completion < limit:
                completion += 1
                self.server.scripted.bill(completion=int(completion <= limit))
                self._event(request, {"content": "bla "})
            else:
                self._chunk(b": still here\n\n")

    def _break(self, fault: Fault) -> None:
        if fault is Fault.HANG_MIDWAY:
            return self._hang()
        if fault is Fault.ERROR_MIDWAY:
            self._chunk(b'data: {"error": {"message": "the server has lost its GPU", "code": 500}}\n\n')
            return self._chunk(b"")
        self.close_connection = True
        return self.connection.close()

    def _hang(self) -> None:
        self.server.scripted.stopping.wait(600)
        self.close_connection = True

    def _start_stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _event(self, request: Request, delta: Mapping[str, Any], *, finish: str | None = None) -> None:
        value = {**_frame(request), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        value["object"] = "chat.completion.chunk"
        self._chunk(f"data: {json.dumps(value)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(value).encode(), headers or {})

    def _send_bytes(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _limited(request: Request, answer: Answer) -> tuple[str, str]:
    limit = int(request.body.get("max_tokens") or request.body.get("max_completion_tokens") or 1 << 30)
    if count_tokens(answer.text.encode()) > limit:
        return answer.text.encode()[: limit * 4].decode(errors="ignore"), "length"
    return answer.text, "tool_calls" if answer.tool_calls else "stop"


def _split(text: str, pieces: int) -> Iterator[str]:
    size = max(4, -(-len(text) // max(1, pieces)))
    size += -size % 4  # whole tokens, so that the parts count as the whole does
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _spoken(text: str, answer: Answer) -> bytes:
    return (text + "".join(name + arguments for name, arguments in answer.tool_calls)).encode()


def _calls(answer: Answer) -> dict[str, Any]:
    if not answer.tool_calls:
        return {}
    return {
        "tool_calls": [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(answer.tool_calls)
        ]
    }


def _call_deltas(calls: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each call as providers send it: the name first, the arguments in two parts."""
    for index, call in enumerate(calls):
        function = call["function"]
        half = len(function["arguments"]) // 2
        yield {"tool_calls": [{**call, "index": index, "function": {"name": function["name"], "arguments": ""}}]}
        for part in (function["arguments"][:half], function["arguments"][half:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


_IDS = itertools.count(1)


def _frame(request: Request) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{next(_IDS)}",
        "object": "chat.completion",
        "created": int(request.at),
        "model": request.model,
    }


def _usage(request: Request, completion: int) -> dict[str, Any]:
    cached = min(request.prompt_tokens, request.prefix_bytes // 4)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def read_script(text: str) -> dict[str, Script]:
    """Read the scripts of a JSON file."""
    return {model: [_answer_from(value) for value in answers] for model, answers in json.loads(text).items()}


def _answer_from(value: Any) -> str | Answer:
    if isinstance(value, str):
        return value
    calls = tuple((name, arguments) for name, arguments in value.pop("tool_calls", ()))
    return Answer(**{**value, "fault": Fault(value.pop("fault", "none")), "tool_calls": calls})


def main() -> None:
    """Serve a script file until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with ScriptedServer(read_script(arguments.script.read_text()), port=arguments.port) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
