"""HTTP to one server with httpx. Requests run in an event loop of their own, so that each wait can be cancelled."""

import asyncio
import contextlib
import queue
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import NamedTuple

import httpx

from gitmimo.errors import ConfigError
from gitmimo.llm.failures import ConnectFailed, ConnectionLost, Deadline, ReadTimeout

_KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=120)
_BODY_LIMIT_BYTES = 64 << 20
_CLOSE_S = 2.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Head(NamedTuple):
    status: int
    headers: Mapping[str, str]


_Items = queue.SimpleQueue["_Head | bytes | Exception | None"]


class Response:
    """Status, headers and the body as it comes."""

    def __init__(self, head: _Head, pieces: "Iterator[_Head | bytes]") -> None:
        self.status, self.headers = head
        self._pieces = pieces

    def chunks(self) -> Iterator[bytes]:
        """Give the body in pieces. ConnectionLost when it ends before its declared end."""
        return (piece for piece in self._pieces if isinstance(piece, bytes))

    def read(self) -> bytes:
        """Read the whole body, up to 64 MiB."""
        body = bytearray()
        for piece in self.chunks():
            body += piece
            if len(body) > _BODY_LIMIT_BYTES:
                raise ConnectionLost("the answer is larger than 64 MiB")
        return bytes(body)


class Connection:
    """Sends requests to one base URL and keeps its connections. Safe for several threads.

    Proxies are httpx's: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` (http, https, socks5; with user and password) and
    `NO_PROXY`; loopback addresses are always reached directly. Certificates: the system's and certifi's.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as exc:
            raise ConfigError(f"not an address of a model server: `{base_url}`: {exc}") from exc
        is_near = url.host in _LOOPBACK
        uses_tls = url.scheme == "https" or not is_near  # a proxy may be reached over TLS
        try:
            self._client = httpx.AsyncClient(
                limits=_KEPT, trust_env=not is_near, verify=_certificates() if uses_tls else False
            )
        except (ValueError, ImportError) as exc:
            raise ConfigError(f"the proxy of the environment cannot be used: {exc}") from exc
        self._loop = _event_loop()
        self._forget = weakref.finalize(self, _close, self._loop, self._client)
        self._forget.atexit = False

    @contextlib.contextmanager
    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str], deadline: Deadline
    ) -> Iterator[Response]:
        """Send one request and give the response when its headers are there; what isn't read by the end is cut off.

        ConnectFailed when nothing was sent; ReadTimeout, ConnectionLost or Cancelled after that.
        """
        limits = deadline.timeouts
        timeout = httpx.Timeout(connect=limits.connect_s, read=None, write=limits.read_s, pool=None)
        request = self._client.build_request(
            method, self.base_url + path, content=body, headers=dict(headers), timeout=timeout
        )
        items: _Items = queue.SimpleQueue()
        task = asyncio.run_coroutine_threadsafe(_exchange(self._client, request, items), self._loop)
        try:
            pieces: Iterator[_Head | bytes] = deadline.receive(items)
            head = next(pieces)
            assert isinstance(head, _Head)
            yield Response(head, pieces)
        finally:
            task.cancel()

    def close(self) -> None:
        """Close the kept connections and cut those in use."""
        self._forget.detach()
        with contextlib.suppress(TimeoutError):
            _close(self._loop, self._client).result(_CLOSE_S)


async def _exchange(client: httpx.AsyncClient, request: httpx.Request, items: _Items) -> None:
    """Put the head, then the body's pieces, then None, or what went wrong."""
    try:
        response = await client.send(request, stream=True)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            items.put(_Head(response.status_code, headers))
            async for piece in response.aiter_bytes():
                items.put(piece)
        finally:
            await response.aclose()
        items.put(None)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as exc:
        items.put(ConnectFailed(str(exc) or type(exc).__name__))
    except httpx.TimeoutException as exc:
        items.put(ReadTimeout(f"the request could not be sent in time ({type(exc).__name__})"))
    except Exception as exc:  # noqa: BLE001 (the reader must not go on waiting for the rest)
        items.put(ConnectionLost(f"the connection broke ({str(exc) or type(exc).__name__})"))


# --- the event loop --------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def _event_loop() -> asyncio.AbstractEventLoop:
    """This process's loop for HTTP, running in a daemon thread."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="http", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def _close(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> "Future[None]":
    return asyncio.run_coroutine_threadsafe(client.aclose(), loop)


def _certificates() -> ssl.SSLContext:
    """The system's certificates, for companies with their own, and certifi's, for systems that have none."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
