"""A server that replays recorded answers of providers, byte for byte, and keeps what it was asked.

A recording in `exchanges/` is an HTTP answer: status line, headers, an empty line, the body. They follow the providers'
documented formats; see docs/providers.md.
"""

import http.server
import json
import threading
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent / "exchanges"


class ReplayServer:
    """Answers POST requests of any path with recordings, in order; the last one is repeated."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> bytes:
        """The next recording, from its status line on."""
        self.paths.append(path)
        self.bodies.append(body)
        name = self.names[min(len(self.bodies), len(self.names)) - 1]
        head, _, content = (FOLDER / f"{name}.http").read_text(encoding="utf-8").partition("\n\n")
        data = content.encode()
        lines = [*head.split("\n"), f"Content-Length: {len(data)}", "", ""]
        return "\r\n".join(lines).encode() + data

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        replay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.wfile.write(replay.answer(self.path, body))

        return Handler
