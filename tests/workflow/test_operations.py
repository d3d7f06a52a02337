"""An operation that really runs: a wheel is built, a database migrated, the built service started and asked."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import Said, mimo
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

SERVE = '''\
"""GET /health says how many books the database holds."""

import http.server
import sqlite3
import sys
import tomllib
from pathlib import Path

port, database, config = int(sys.argv[1]), sys.argv[2], tomllib.loads(Path("production.toml").read_text())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count = sqlite3.connect(database).execute("SELECT count(*) FROM books").fetchone()[0]
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(f"{config['name']} {count} {__file__}".encode())


http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''
MIGRATE = """\
import sqlite3
import sys

with sqlite3.connect(sys.argv[1]) as database:
    database.execute("CREATE TABLE IF NOT EXISTS books (title TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS runs (at TEXT)")
    database.execute("INSERT INTO runs VALUES (datetime())")
"""
WHEEL = """\
import pathlib
import zipfile

pathlib.Path("dist").mkdir(exist_ok=True)
with zipfile.ZipFile("dist/shelf-1.0-py3-none-any.whl", "w") as wheel:
    for path in pathlib.Path("shelf").glob("*.py"):
        wheel.write(path)
"""
FILES = {
    "shelf/__init__.py": "",
    "shelf/serve.py": SERVE,
    "shelf/migrate.py": MIGRATE,
    "wheel.py": WHEEL,
    "production.toml": 'name = "shelf"\n',
    ".gitignore": "dist/\nbuild/\n*.egg-info/\n",
}
BUILD = "python wheel.py 2>/dev/null"


class Deployment:
    """A repository, a directory that is granted, a free port, and a model that deploys as models do."""

    def __init__(self, git: GitBuilder, server: ScriptedServer, data: Path) -> None:
        self.git, self.server, self.data = git, server, data
        data.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        git.commit(FILES, "shelf")

    def arguments(self, port: int) -> list[str]:
        task = f"Deploy the service on port {port} with the database in {self.data}/shelf.db"
        accept = f"curl -sf http://127.0.0.1:{port}/health | grep whl"
        return [
            *("start", task, "--operation", "--accept", accept, "--grant", f"dir:{self.data}", "-m", "openai/m"),
            *("--max-tokens", "100000", "--critic", "none", "--json", "-n", "1"),
        ]

    def deploy(self, port: int, **env: str) -> Said:
        return mimo(*self.arguments(port), cwd=self.git.path, env=env)

    def begin(self, port: int) -> "subprocess.Popen[bytes]":
        """The same in the background."""
        command = [sys.executable, "-m", "gitmimo", *self.arguments(port)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.Popen(
            command, cwd=self.git.path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def model_deploys(self, port: int) -> None:
        self.server.scripts["m"] = self.answers(port)

    def answers(self, port: int) -> list[Answer]:
        """A wrong path first, then what works, with a look between."""
        serve = f"PYTHONPATH=$(ls $PWD/dist/*.whl) python -P -m shelf.serve {port} {self.data}/shelf.db"
        health = f"curl -sf http://127.0.0.1:{port}/health"
        commands = [
            ["ls -la && cat wheel.py", "sh deploy.sh"],
            [BUILD, f"python -m shelf.migrate {self.data}/shelf.db"],
            [f"({serve} >/dev/null 2>&1 &) ; timeout 9 sh -c 'until {health}; do sleep 0.1; done'"],
        ]
        answers = [
            Answer(tool_calls=tuple(("shell", json.dumps({"command": command})) for command in group))
            for group in commands
        ]
        finish = Answer(tool_calls=(("finish", json.dumps({"summary": "deployed"})),))
        return [*answers, finish, finish, finish]

    @property
    def runs(self) -> int:
        with sqlite3.connect(self.data / "shelf.db") as database:
            return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])


@pytest.fixture
def deployment(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Deployment:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    return Deployment(git, llm_server, tmp_path / "data")


def still_running(port: int) -> str:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in listed.splitlines() if f"shelf.serve {port}" in line)


def wait_until(is_so: Callable[[], bool], *, most_s: float = 60) -> None:
    end = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_second_deployment_needs_no_model_and_a_broken_one_fails_and_says_so(deployment: Deployment) -> None:
    git, server, port = deployment.git, deployment.server, deployment.port
    deployment.model_deploys(port)
    first = deployment.deploy(port)
    assert first.code == 0, first.out + first.err
    assert (first.json["status"], first.json["winner"], first.json["result_branch"]) == ("passed", 1, None)
    assert deployment.runs == 2, "the model did it, and its script was run again for real"
    assert still_running(port) == ""

    dreamed = mimo("dream", "--yes", "--json", cwd=git.path)
    assert dreamed.code == 0, dreamed.err
    (name,) = dreamed.json["skills"]
    git("merge", "-q", dreamed.json["branch"])
    script = git("show", f"HEAD:.mimo/skills/{name}/scripts/{name}.sh")
    assert "set -eu" in script
    assert ': "${PORT:?}"' in script
    assert BUILD in script
    assert "deploy.sh" not in script
    assert str(port) not in script

    asked = len(server.requests)
    second = deployment.deploy(port + 1, OPENAI_API_KEY="", OPENAI_API_BASE="")
    assert second.code == 0, second.out + second.err
    assert (second.json["winner"], second.json["llm_calls"], second.json["skill"]) == (0, 0, name)
    assert deployment.runs == 3
    by_hand = mimo("skill", "run", name, f"PORT={port}", cwd=git.path)
    assert by_hand.code == 2, "the directory is granted by name"
    values = [f"{key}={value}" for key, value in (("PORT", port), ("DATABASE", f"{deployment.data}/shelf.db"))]
    needed = mimo("skill", "show", name, "--json", cwd=git.path).json["parameters"]
    given = [value for value in values if value.partition("=")[0] in needed]
    by_hand = mimo("skill", "run", name, *given, "--grant", f"dir:{deployment.data}", cwd=git.path)
    assert by_hand.code == 0, by_hand.err
    assert deployment.runs == 4
    assert len(server.requests) == asked

    git.commit({"production.toml": "name = \n"}, "a typo in production")
    gives_up = Answer(tool_calls=(("give_up", json.dumps({"reason": "production.toml is not TOML"})),))
    server.scripts["m"] = lambda _: gives_up
    broken = deployment.deploy(port)
    assert broken.code == 1, broken.out + broken.err
    assert broken.json["winner"] is None
    gates = {gate["name"]: gate for gate in broken.json["candidates"][0]["evidence"]["gates"]}
    assert {gate["outcome"] for gate in gates.values()} & {"fail"}
    prompt = server.requests[asked].prompt.decode()
    assert "An earlier attempt was not accepted" in prompt
    assert f'<skill name=\\"{name}\\"' in prompt
    assert still_running(port) == ""


def test_a_killed_deployment_leaves_nothing_running_and_is_resumed(deployment: Deployment) -> None:
    port = deployment.port
    deployment.model_deploys(port)
    begun = deployment.begin(port)
    wait_until(lambda: bool(still_running(port)) or begun.poll() is not None)
    assert begun.poll() is None, "it was still at work"
    begun.kill()
    begun.wait()
    wait_until(lambda: not still_running(port))
    left = iter(deployment.answers(port)[1:])  # what git ignores, such as a wheel, went with the worktree
    deployment.server.scripts["m"] = lambda _: next(left)
    resumed = mimo("resume", "--json", cwd=deployment.git.path)
    assert resumed.code == 0, resumed.out + resumed.err
    assert resumed.json["status"] == "passed"
    assert still_running(port) == ""


def test_an_operation_without_accept_or_with_an_unknown_grant_is_refused(git: GitBuilder) -> None:
    git.commit(FILES, "shelf")
    plain = mimo("start", "deploy it", "--operation", "-m", "openai/m", "--test", "true", cwd=git.path)
    assert plain.code == 129
    assert "needs --accept" in plain.err
    wrong = mimo("start", "deploy it", "--operation", "--accept", "true", "--grant", "dir:x", "-m", "openai/m",
                 cwd=git.path)  # fmt: skip
    assert wrong.code == 129
    assert "not a grant" in wrong.err
