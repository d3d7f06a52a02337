"""All sessions of a repository in a browser on this machine; nothing can be changed there.

Covered: only the loopback address listens; every address carries a random token; a foreign `Host` is refused, so no
page of another site can read here; pages run no script but their own. Not covered: other people who may read this
user's processes or browser history.
"""

import hmac
import secrets
import sys
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gitmimo.errors import MimoError
from gitmimo.git.repository import Repository
from gitmimo.ids import SessionId, SessionStatus, is_session_id
from gitmimo.report.markup import render
from gitmimo.report.page import review_page, whole_page
from gitmimo.workflow.journals import list_session_ids, read_all, read_session

REFRESH_S = 3
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Type": "text/html; charset=utf-8",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ReviewServer(ThreadingHTTPServer):
    """Serves one repository until it is shut down. `address` is what a person opens."""

    daemon_threads = True

    def __init__(self, repository: Repository, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.repository = repository
        self.token = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections; print other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def sessions_page(self) -> str:
        """The list of all sessions, newest first; it refreshes itself."""
        name = (self.repository.work_tree or self.repository.common_dir).name
        body = render("sessions.html", name=name, states=read_all(self.repository, limit=500))
        return whole_page(f"Sessions of {name}", body, refresh_s=REFRESH_S)

    def session_page(self, session: SessionId) -> str:
        """One session's review; it refreshes itself while the session runs."""
        result = read_session(self.repository, session).result
        is_running = result.status is SessionStatus.RUNNING
        return review_page(self.repository, result, refresh_s=REFRESH_S if is_running else None)


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "git-mimo"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:  # noqa: N802  named by the standard library
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return
        _, token, *rest = (urllib.parse.urlsplit(self.path).path.split("/", 2) + ["", ""])[:3]
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            match rest[0].split("/"):
                case [""]:
                    self._answer(HTTPStatus.OK, self.server.sessions_page())
                case ["session", name] if self._knows(name):
                    self._answer(HTTPStatus.OK, self.server.session_page(SessionId(name)))
                case _:
                    self._refuse(HTTPStatus.NOT_FOUND)
        except (MimoError, ValueError) as exc:
            said = exc.message if isinstance(exc, MimoError) else str(exc)
            body = render("message.html", title="This session cannot be shown", text=said)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, whole_page("git-mimo", body))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address contains the token."""

    def _knows(self, name: str) -> bool:
        return is_session_id(name) and SessionId(name) in list_session_ids(self.server.repository)

    def _answer(self, status: HTTPStatus, page: str) -> None:
        data = page.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._answer(status, f"<!doctype html><title>{status.phrase}</title><p>{status.phrase}</p>")
