"""All sessions of a repository in a browser on this machine; read-only except comments and choices.

Covered: only the loopback address listens; every address carries a random token; foreign `Host` and `Origin` are
refused, so no page of another site can read or write here; pages run no script but their own. Not covered: other
people who may read this user's processes or browser history.
"""

import hmac
import secrets
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from markupsafe import Markup

from gitmimo.errors import MimoError
from gitmimo.git.repository import Repository
from gitmimo.records import SessionId, is_session_id
from gitmimo.report.markup import render
from gitmimo.report.page import review_page, whole_page
from gitmimo.report.review_view import STATUS_CLASS
from gitmimo.results import SessionStatus
from gitmimo.text import one_line
from gitmimo.workflow.directories import sessions_directory
from gitmimo.workflow.history import SessionState, list_session_ids, read_all, read_session
from gitmimo.workflow.revise import ReviewComments, add_comment, choose, read_review_comments

REFRESH_S = 3
MAX_FORM_BYTES = 100_000
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
        self._pages: dict[SessionId, tuple[object, str]] = {}
        self._lock = threading.Lock()

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
        rows = [_row(state) for state in read_all(self.repository, limit=500)]
        body = render("sessions.html", name=name, rows=rows)
        return whole_page(f"Sessions of {name}", body, refresh_s=REFRESH_S)

    def session_page(self, session: SessionId) -> str:
        """One session's review with the forms; made again when its journal or what was said has changed."""
        directory = sessions_directory(self.repository) / session
        names = ("journal.jsonl", "opinions.json")
        stamps = tuple(
            (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None
            for path in (directory / name for name in names)
        )
        with self._lock:
            known = self._pages.get(session)
        if known is not None and known[0] == stamps:
            return known[1]
        state = read_session(self.repository, session)
        running = state.result.status is SessionStatus.RUNNING
        page = review_page(
            self.repository,
            state.result,
            say=_say_section(state, read_review_comments(self.repository, session)),
            refresh_s=REFRESH_S if running else None,
        )
        with self._lock:
            self._pages = {session: (stamps, page)} if len(self._pages) > 8 else self._pages | {session: (stamps, page)}
        return page


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "git-mimo"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:  # noqa: N802  named by the standard library
        parts = self._checked_parts()
        if parts is None:
            return
        try:
            if parts == [""]:
                self._answer(HTTPStatus.OK, self.server.sessions_page())
            elif len(parts) == 2 and parts[0] == "session" and self._knows(parts[1]):
                self._answer(HTTPStatus.OK, self.server.session_page(SessionId(parts[1])))
            else:
                self._refuse(HTTPStatus.NOT_FOUND)
        except (MimoError, ValueError) as exc:
            said = exc.message if isinstance(exc, MimoError) else str(exc)
            body = render("message.html", title="This session cannot be shown", text=said)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, whole_page("git-mimo", body))

    def do_POST(self) -> None:  # noqa: N802  named by the standard library
        parts = self._checked_parts()
        if parts is None:
            return
        if len(parts) != 3 or parts[0] != "session" or not self._knows(parts[1]):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        form = self._form()
        if form is None:
            return
        session = SessionId(parts[1])
        try:
            if parts[2] == "comment":
                add_comment(self.server.repository, session, form.get("text", ""), path=form.get("path", ""))
            elif parts[2] == "choose":
                self._choose(session, form.get("number", ""))
            else:
                self._refuse(HTTPStatus.NOT_FOUND)
                return
        except MimoError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{self.server.token}/session/{session}#say")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address contains the token."""

    def _choose(self, session: SessionId, text: str) -> None:
        result = read_session(self.server.repository, session).result
        known = {str(candidate.number): candidate.number for candidate in result.candidates}
        choose(self.server.repository, session, known.get(text))

    def _checked_parts(self) -> list[str] | None:
        """Return the path's parts after the token; None when the request was refused."""
        port = self.server.server_address[1]
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if origin not in (None, "null", *(f"http://{host}" for host in hosts)):
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        if self.command == "POST" and self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        path = urllib.parse.urlsplit(self.path).path
        _, token, *rest = (path.split("/", 2) + ["", ""])[:3]
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        return rest[0].split("/")

    def _form(self) -> Mapping[str, str] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_FORM_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        data = self.rfile.read(int(length)).decode("utf-8", "replace")
        return dict(urllib.parse.parse_qsl(data, max_num_fields=10))

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


def _row(state: SessionState) -> dict[str, object]:
    result = state.result
    workers = dict.fromkeys(candidate.worker for candidate in result.candidates)
    return {
        "session": result.session,
        "status": result.status.value + (", merged" if result.merged else ""),
        "style": STATUS_CLASS.get(result.status.value, ""),
        "started": f"{result.started:%Y-%m-%d %H:%M}" if result.started else "–",
        "task": one_line(result.task or result.message, 160),
        "worker": ", ".join(workers) or state.phase,
        "winner": str(result.winner.number) if result.winner else "–",
        "cost": result.cost_usd,
        "seconds": result.seconds,
    }


def _say_section(state: SessionState, said: ReviewComments) -> Markup:
    """Comments and the choice, with the commands that use them."""
    numbers = [candidate.number for candidate in state.result.candidates]
    return render("say.html", session=state.result.session, said=said, numbers=numbers)
