"""HTTP to one model server: kept-alive connections whose every wait can be cancelled and ends in time."""

import http.client
import io
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gitmimo.cancel import Cancelled

_POLL_S = 0.05
_POOL_SIZE = 16
_CHUNK_BYTES = 65_536
_BODY_LIMIT_BYTES = 64 << 20


class ServerSilent(Exception):
    """A time limit passed; `sent` says whether the request had reached the server by then."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Unreachable(Exception):
    """No connection came about, so the server has seen nothing of the request."""


class Broken(Exception):
    """The connection broke after the request was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one exchange: to connect, of silence between two bytes, and altogether."""

    connect_s: float = 10.0
    silence_s: float = 180.0
    total_s: float = 900.0


class Patience:
    """When one exchange has to end: its wall clock, its tolerance of silence, and the caller's wish."""

    def __init__(self, timeouts: Timeouts, cancelled: Callable[[], bool] | None = None) -> None:
        self.timeouts = timeouts
        self.cancelled = cancelled or _never
        self._ends = time.monotonic() + timeouts.total_s

    def hurry(self, seconds: float) -> None:
        """Allow only so much more: nothing of worth is still to come."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def wait_readable(self, sock: socket.socket) -> None:
        """Return when the socket has something to read; raise when patience ends first."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        silent_until = time.monotonic() + self.timeouts.silence_s
        while not poll.poll(_POLL_S * 1000):
            self.check()
            if time.monotonic() > silent_until:
                raise ServerSilent(f"nothing came for {self.timeouts.silence_s:g} s", sent=True)
        self.check()

    def check(self) -> None:
        """Raise when the exchange was cancelled or has taken too long."""
        if self.cancelled():
            raise Cancelled
        if time.monotonic() > self._ends:
            raise ServerSilent(f"no end after {self.timeouts.total_s:g} s", sent=True)


class Response:
    """Status, headers and the body as it comes. Closed by `close` or when read to its end."""

    def __init__(self, connection: "_Connection", raw: http.client.HTTPResponse, pool: "Transport") -> None:
        self.status = raw.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in raw.getheaders()}
        self._connection = connection
        self._raw = raw
        self._pool = pool

    def chunks(self) -> Iterator[bytes]:
        """Give the body in pieces. Broken when it ends before its declared end."""
        try:
            while piece := self._raw.read1(_CHUNK_BYTES):
                yield piece
            if self._raw.length:
                raise http.client.IncompleteRead(b"", self._raw.length)
        except (http.client.HTTPException, OSError, ValueError) as exc:
            raise Broken(f"the connection broke in the middle of the answer ({exc})") from exc

    def read(self) -> bytes:
        """Read the whole body, up to 64 MiB."""
        parts: list[bytes] = []
        size = 0
        for piece in self.chunks():
            size += len(piece)
            if size > _BODY_LIMIT_BYTES:
                raise Broken("the answer is larger than 64 MiB")
            parts.append(piece)
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back when the body was read to its end, else cut it."""
        reusable = self._raw.isclosed() and not self._raw.will_close
        self._raw.close()
        if reusable:
            self._pool.give_back(self._connection)
        else:
            self._connection.close()

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Transport:
    """Sends requests to one base URL and keeps its connections. Safe for several threads.

    A kept connection that the server has closed meanwhile is replaced once, silently: the server had ended it before
    it could see the request. Proxies are taken from `environ` (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    """

    def __init__(self, base_url: str, *, environ: Mapping[str, str] | None = None) -> None:
        self._url = urlsplit(base_url.rstrip("/"))
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"not an http address: {base_url!r}")
        self._proxy = _proxy_for(self._url, environ or {})
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        weakref.finalize(self, _close_all, self._idle)

    @property
    def base_url(self) -> str:
        return self._url.geturl()

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], patience: Patience
    ) -> Response:
        """Send one request and return when the response's headers are there."""
        patience.check()
        target = self._url.path + path
        connection, is_kept = self._take(patience.timeouts.connect_s)
        try:
            return self._exchange(connection, method, target, body, headers, patience)
        except _Stale as exc:
            if not is_kept:
                raise Broken("the server closed the connection without an answer") from exc
        return self._fresh_exchange(method, target, body, headers, patience)

    def give_back(self, connection: "_Connection") -> None:
        """Keep a connection for the next request."""
        with self._lock:
            if len(self._idle) < _POOL_SIZE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            _close_all(self._idle)

    def _fresh_exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], patience: Patience
    ) -> Response:
        connection = self._connect(patience.timeouts.connect_s)
        try:
            return self._exchange(connection, method, target, body, headers, patience)
        except _Stale as exc:
            raise Broken("the server closed the connection without an answer") from exc

    def _exchange(
        self,
        connection: "_Connection",
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        patience: Patience,
    ) -> Response:
        connection.patience = patience
        done = False
        try:
            connection.http.request(method, target, body=body, headers=dict(headers))
            raw = connection.http.getresponse()
            done = True
            return Response(connection, raw, self)
        except TimeoutError as exc:
            raise ServerSilent("the request could not be sent in time", sent=True) from exc
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError) as exc:
            raise _Stale from exc
        except (http.client.HTTPException, OSError) as exc:
            raise Broken(f"the server does not speak HTTP as expected ({exc})") from exc
        finally:
            if not done:
                connection.close()

    def _take(self, connect_s: float) -> tuple["_Connection", bool]:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(connect_s), False
            if connection.is_open():
                return connection, True
            connection.close()

    def _connect(self, connect_s: float) -> "_Connection":
        try:
            return _Connection(self._open_http(connect_s))
        except (OSError, http.client.HTTPException) as exc:
            raise Unreachable(str(exc) or type(exc).__name__) from exc

    def _open_http(self, connect_s: float) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        via, via_port = (self._proxy.hostname or "", self._proxy.port or 80) if self._proxy else (host, port)
        connection: http.client.HTTPConnection
        if self._url.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            connection = http.client.HTTPSConnection(via, via_port, timeout=connect_s, context=self._tls)
        else:
            connection = http.client.HTTPConnection(via, via_port, timeout=connect_s)
        if self._proxy:
            connection.set_tunnel(host, port or (443 if self._url.scheme == "https" else 80))
        connection.connect()
        return connection


class _Stale(Exception):
    """The server had closed the connection before the first byte of a response."""


class _Connection:
    """A connection whose reads wait through the current exchange's patience."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.http = connection
        self.patience = Patience(Timeouts())
        self._socket = connection.sock
        connection.sock = _PatientSocket(self._socket, self)

    def is_open(self) -> bool:
        """Say whether the server has neither closed an idle connection nor sent anything on it."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self.http.close()
        self._socket.close()


class _PatientSocket:
    """What http.client uses of a socket; `makefile` gives a reader that asks the patience first."""

    def __init__(self, inner: socket.socket, connection: _Connection) -> None:
        self._inner = inner
        self._connection = connection

    def sendall(self, data: bytes) -> None:
        self._inner.settimeout(self._connection.patience.timeouts.silence_s)
        self._inner.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_PatientReader(self._inner, self._connection), _CHUNK_BYTES)

    def close(self) -> None:
        """Leave the real socket open: http.client closes its side when a response ends the connection."""


class _PatientReader(io.RawIOBase):
    def __init__(self, inner: socket.socket, connection: _Connection) -> None:
        self._inner = inner
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._inner.settimeout(0)
        while True:
            try:
                return self._inner.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):  # TLS may have read a record without data
                self._connection.patience.wait_readable(self._inner)


def _close_all(connections: list[_Connection]) -> None:
    while connections:
        connections.pop().close()


def _proxy_for(url: SplitResult, environ: Mapping[str, str]) -> SplitResult | None:
    """The proxy that the environment names for this address, None for a direct way."""
    host = (url.hostname or "").lower()
    excluded = [name.strip().lower().lstrip(".") for name in _either(environ, "NO_PROXY").split(",") if name.strip()]
    if host in ("localhost", "127.0.0.1", "::1") or any(
        name == "*" or host == name or host.endswith(f".{name}") for name in excluded
    ):
        return None
    address = _either(environ, f"{url.scheme.upper()}_PROXY") or _either(environ, "ALL_PROXY")
    if not address:
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    return proxy if proxy.scheme == "http" and proxy.hostname else None


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _never() -> bool:
    return False
