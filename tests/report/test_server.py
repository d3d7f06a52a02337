"""The review server: who may ask, and what they get."""

import http.client
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.report.server import ReviewServer
from gitmimo.workflow.directories import sessions_directory
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal


@pytest.fixture
def server(git: GitBuilder) -> Iterator[ReviewServer]:
    git.commit({"app.py": "x = 1\n"})
    session = make_session(
        git,
        [Attempt(steps=[{"app.py": "x = 2\n"}]), Attempt(steps=[{"app.py": "x = 3\n"}], passed=False)],
        task="Change x <script>alert(1)</script>",
    )
    write_journal(git, session)
    with ReviewServer(Repository.discover(git.path)) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _ask(server: ReviewServer, path: str, *, method: str = "GET", **headers: str) -> tuple[int, str]:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_only_the_loopback_address_listens(server: ReviewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 30


def test_all_sessions_are_listed_and_each_has_its_page(server: ReviewServer) -> None:
    status, text = _ask(server, f"/{server.token}/")
    assert status == 200
    assert f'href="session/{SESSION}"' in text
    assert "<script>alert" not in text
    status, text = _ask(server, f"/{server.token}/session/{SESSION}")
    assert status == 200
    assert "form-action 'none'" in text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/wrong-token/", {}, 404),
        (f"/wrong/session/{SESSION}", {}, 404),
        ("/TOKEN/session/zzzzzzzzzz", {}, 404),
        ("/TOKEN/session/../../etc/passwd", {}, 404),
        ("/TOKEN/", {"Host": "evil.example"}, 421),
    ],
)
def test_strangers_are_refused(server: ReviewServer, path: str, headers: dict[str, str], status: int) -> None:
    found, text = _ask(server, path.replace("TOKEN", server.token), **headers)
    assert found == status
    assert "Change x" not in text


def test_nothing_can_be_changed(server: ReviewServer) -> None:
    assert _ask(server, f"/{server.token}/session/{SESSION}", method="POST")[0] == 501


def test_a_damaged_journal_is_told_and_the_rest_is_listed(server: ReviewServer, git: GitBuilder) -> None:
    directory = sessions_directory(Repository.discover(git.path)) / "0zzzzzzzzz".replace("z", "v")
    directory.mkdir()
    (directory / "journal.jsonl").write_text("{broken\n{broken\n")
    status, text = _ask(server, f"/{server.token}/")
    assert status == 200
    assert SESSION in text
    assert _ask(server, f"/{server.token}/session/{directory.name}")[0] == 500


def test_a_browser_that_goes_away_is_no_traceback(server: ReviewServer, capsys: pytest.CaptureFixture[str]) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    browser = socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=20)
    browser.sendall(b"GET /")
    browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an orderly end
    browser.close()
    assert _ask(server, f"/{server.token}/")[0] == 200
    for thread in threading.enumerate():
        if thread.ident not in before:
            thread.join(2)
    assert capsys.readouterr().err == ""


def test_serve_prints_its_address_and_ends_on_interrupt(git: GitBuilder) -> None:
    git.commit({"app.py": "x = 1\n"})
    root = str(Path(__file__).parent.parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gitmimo", "serve"],
        cwd=git.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
    port = int(address.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", f"/{address.split('/')[3]}/")
    assert "There is no session yet" in connection.getresponse().read().decode()
    connection.close()
    process.send_signal(2)
    assert process.wait(timeout=20) == 0
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
