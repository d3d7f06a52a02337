"""Proxies of the environment: every request goes through them, with their credentials."""

import base64
import contextlib
import http.server
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from gitmimo.errors import ConfigError, NoRoute
from gitmimo.llm.http_client import Endpoint, HttpBackend
from gitmimo.llm.model import ChatRequest
from gitmimo.records import Message
from tests.scripted_server import ScriptedServer

HELLO = ChatRequest(messages=(Message(role="user", content="hello"),))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def backend(base_url: str) -> HttpBackend:
    return HttpBackend(Endpoint(base_url=base_url, provider="openai", model="m", name="openai/m"))


class Proxy(http.server.BaseHTTPRequestHandler):
    """Answers itself in the name of the server, to those who have the password."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        known = self.headers.get("Proxy-Authorization") == f"Basic {base64.b64encode(b'me:secret').decode()}"
        body = (
            b'{"choices": [{"message": {"content": "through the proxy"}, "finish_reason": "stop"}]}' if known else b""
        )
        self.send_response(200 if known else 407)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def proxy() -> Iterator[str]:
    Proxy.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_proxy_gets_user_and_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{proxy}")
    asked = backend("http://model.test/v1")
    assert asked.send(HELLO).text == "through the proxy"
    assert Proxy.asked == ["http://model.test/v1/chat/completions"]
    asked.close()


def test_loopback_is_reached_directly(proxy: str, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{proxy}")
    llm_server.scripts["m"] = ["directly"]
    asked = backend(llm_server.base_url)
    assert asked.send(HELLO).text == "directly"
    assert Proxy.asked == []
    asked.close()


def test_a_socks_proxy_is_used(llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    llm_server.scripts["m"] = ["through socks"]
    port = int(llm_server.base_url.rpartition(":")[2].split("/")[0])
    names: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_socks, args=(listening, port, names), daemon=True).start()
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{listening.getsockname()[1]}")
        asked = backend(f"http://model.test:{port}/v1")
        assert asked.send(HELLO).text == "through socks"
        asked.close()
    assert names == [b"model.test"]


def _socks(listening: socket.socket, port: int, names: list[bytes]) -> None:
    """One connection of a SOCKS 5 server that leads every name to the same port of loopback."""
    client, _ = listening.accept()
    client.recv(2 + client.recv(2, socket.MSG_PEEK)[1])
    client.sendall(b"\x05\x00")
    head = client.recv(5)
    names.append(client.recv(head[4]))
    client.recv(2)
    client.sendall(b"\x05\x00\x00\x01" + bytes(4) + struct.pack(">H", port))
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=_copy, args=(server, client), daemon=True).start()
    _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other direction has closed it
        while data := source.recv(65_536):
            target.sendall(data)
    target.close()


def test_a_proxy_that_is_not_there_is_told_and_not_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Exception, match=r"no connection to https://model\.test/v1") as caught:
        backend("https://model.test/v1").send(HELLO)
    assert isinstance(getattr(caught.value, "error", None), NoRoute)


def test_a_proxy_of_an_unknown_kind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:70")
    with pytest.raises(ConfigError, match="the proxy of the environment"):
        backend("http://model.test/v1").send(HELLO)
