"""The review server: who may ask, what is kept, and how it looks in a browser."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.report.server import HEADERS, ReviewServer
from gitmimo.workflow.directories import sessions_directory
from gitmimo.workflow.revise import comments_text, read_review_comments
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.report.browser import ask


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


def _ask(server: ReviewServer, path: str, *, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = urllib.parse.urlencode(form) if form is not None else None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST" if form is not None else "GET", path, body=body, headers=sent)
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
    assert "Your comments" in text
    assert "form-action 'self'" in text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/wrong-token/", {}, 404),
        (f"/wrong/session/{SESSION}", {}, 404),
        ("/TOKEN/session/zzzzzzzzzz", {}, 404),
        ("/TOKEN/session/../../etc/passwd", {}, 404),
        ("/TOKEN/", {"Host": "evil.example"}, 421),
        ("/TOKEN/", {"Origin": "http://evil.example"}, 403),
    ],
)
def test_strangers_are_refused(server: ReviewServer, path: str, headers: dict[str, str], status: int) -> None:
    found, text = _ask(server, path.replace("TOKEN", server.token), **headers)
    assert found == status
    assert "Change x" not in text


def test_a_comment_is_kept_and_shown_as_text(server: ReviewServer, git: GitBuilder) -> None:
    page = f"/{server.token}/session/{SESSION}"
    nasty = "why <b>this</b>? <script>window.pwned=1</script>"
    assert _ask(server, f"{page}/comment", form={"text": nasty})[0] == 303
    text = _ask(server, page)[1]
    assert "why &lt;b&gt;this&lt;/b&gt;?" in text
    said = read_review_comments(Repository.discover(git.path), SESSION)
    assert comments_text(said) == nasty


def test_a_choice_is_kept_and_merges_nothing(server: ReviewServer, git: GitBuilder) -> None:
    before = git("for-each-ref")
    page = f"/{server.token}/session/{SESSION}"
    assert _ask(server, f"{page}/choose", form={"number": "2"})[0] == 303
    assert f"git mimo merge {SESSION} 2" in _ask(server, page)[1]
    assert _ask(server, f"{page}/choose", form={"number": "99"})[0] == 303
    assert read_review_comments(Repository.discover(git.path), SESSION).choice is None
    assert git("for-each-ref") == before


def test_writing_from_another_site_is_refused(server: ReviewServer, git: GitBuilder) -> None:
    page = f"/{server.token}/session/{SESSION}/comment"
    assert _ask(server, page, form={"text": "x"}, Sec_Fetch_Site="cross-site")[0] == 403
    assert _ask(server, page, form={"text": "x"}, Origin="https://evil.example")[0] == 403
    assert _ask(server, page, form={"text": "x" * 30_000})[0] == 400
    assert _ask(server, page, form={"text": "x" * 200_000})[0] == 413
    assert _ask(server, page, form={"text": "  "})[0] == 400
    assert read_review_comments(Repository.discover(git.path), SESSION).comments == ()


def test_a_damaged_journal_is_told_and_the_rest_is_listed(server: ReviewServer, git: GitBuilder) -> None:
    directory = sessions_directory(Repository.discover(git.path)) / "0zzzzzzzzz".replace("z", "v")
    directory.mkdir()
    (directory / "journal.jsonl").write_text("{broken\n{broken\n")
    status, text = _ask(server, f"/{server.token}/")
    assert status == 200
    assert SESSION in text
    assert _ask(server, f"/{server.token}/session/{directory.name}")[0] == 500


def test_a_browser_can_comment_and_choose(server: ReviewServer, git: GitBuilder, tmp_path: Path) -> None:
    """The page's own forms work under its own policy: a frame of the same origin fills them in."""
    page = tmp_path / "outer.html"
    page.write_text("<!doctype html><title>outer</title><p>x</p><script></script></body>")
    with pytest.MonkeyPatch.context() as patched:
        inner = f"/{server.token}/session/{SESSION}"
        outer = f'<!doctype html><title>o</title><iframe src="{inner}"></iframe></body>'
        patched.setattr(server, "sessions_page", lambda: _with_question(outer))
        patched.setitem(HEADERS, "X-Frame-Options", "ALLOW")
        found = ask(page, "return 1", tmp_path / "profile", address=server.address)
    assert found == ["kept in the browser"]
    assert read_review_comments(Repository.discover(git.path), SESSION).choice == 2


def _with_question(outer: str) -> str:
    script = """
        const frame = document.querySelector('iframe');
        const loaded = () => new Promise(done => frame.addEventListener('load', done, {once: true}));
        await new Promise(done => { const wait = () => frame.contentDocument?.documentElement?.dataset.ready ? done()
            : setTimeout(wait, 20); wait(); });
        let doc = frame.contentDocument;
        doc.querySelector('textarea').value = 'kept in the browser';
        let next = loaded(); doc.querySelector('.say form button').click(); await next;
        doc = frame.contentDocument;
        const said = Array.from(doc.querySelectorAll('.say blockquote')).map(q => q.textContent);
        next = loaded(); doc.querySelector('.choices button[value="2"]').click(); await next;
        return said;
    """
    question = f"<script>(async () => {{ const value = await (async () => {{ {script} }})();"
    question += (
        " const out = document.createElement('pre'); out.id = 'answer'; out.textContent = JSON.stringify(value);"
        " document.body.replaceChildren(out); })()</script></body>"
    )
    return outer.replace("</body>", question)


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


def test_opinions_survive_a_damaged_file(git: GitBuilder, server: ReviewServer) -> None:
    path = sessions_directory(Repository.discover(git.path)) / SESSION / "opinions.json"
    path.write_text(json.dumps({"schema": "other"}))
    assert read_review_comments(Repository.discover(git.path), SESSION).comments == ()
    assert _ask(server, f"/{server.token}/session/{SESSION}/comment", form={"text": "again"})[0] == 303
