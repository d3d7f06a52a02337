"""Sessions in the background: started, followed and stopped."""

import json
import time

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.usefixtures("quick_tests")


@pytest.fixture
def project(git: GitBuilder, scripted_model: ScriptedServer) -> GitBuilder:
    git.commit(PROJECT, "calc: sums")
    return git


def test_a_detached_session_is_followed_to_its_end(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    began = mimo("start", "--detach", "-t", "-", "-m", "openai/m", "-n", "1", cwd=project.path, stdin="mend add")
    assert began.code == 0, began.err
    session = began.out.strip()
    followed = mimo("attach", session, cwd=project.path)
    assert followed.code == 0, followed.err
    assert "step 1" in followed.err
    assert mimo("show", session, "--json", cwd=project.path).json["task"] == "mend add"
    assert "passed" in mimo("status", cwd=project.path).out


def test_a_detached_session_that_cannot_begin_says_why(project: GitBuilder) -> None:
    said = mimo("start", "--detach", "-t", "x", "-m", "nosuchprovider/m", cwd=project.path)
    assert said.code == 128
    assert "nosuchprovider" in said.err
    assert mimo("list", "--json", cwd=project.path).json["sessions"] == []


def test_a_stopped_session_says_how_to_go_on_and_does(project: GitBuilder, llm_server: ScriptedServer) -> None:
    slow = Answer(tool_calls=(("shell", json.dumps({"command": "sleep 0.2; date"})),), latency_s=0.3, repeat=True)
    llm_server.scripts["m"] = [slow]
    began = mimo("start", "--detach", "-t", "mend add", "-m", "openai/m", "-n", "1", cwd=project.path)
    assert began.code == 0, began.err
    session = began.out.strip()
    assert mimo("stop", session, cwd=project.path).code == 0
    followed = mimo("attach", session, cwd=project.path)
    assert followed.code == 130, followed.err
    assert f"git mimo resume {session}" in followed.out
    llm_server.scripts["m"] = lambda request: writes({"calc.py": RIGHT})
    resumed = mimo("resume", session, "--json", cwd=project.path)
    assert resumed.code == 0, resumed.err
    assert resumed.json["winner"] == 1


def test_a_running_session_shows_what_it_has_come_to(project: GitBuilder, llm_server: ScriptedServer) -> None:
    first = Answer(text="I look first.", tool_calls=(("shell", json.dumps({"command": "ls"})),))
    llm_server.scripts["m"] = [first, Answer(text="never", latency_s=90)]
    began = mimo("start", "mend add", "-m", "openai/m", "-n", "1", "--detach", cwd=project.path)
    session = began.out.strip()
    ends = time.monotonic() + 120
    while len(llm_server.requests) < 2:
        assert time.monotonic() < ends
        time.sleep(0.1)
    (listed,) = mimo("status", "--json", cwd=project.path).json["sessions"]
    assert (listed["status"], listed["candidates"]) == ("running", 1)
    assert listed["tokens"] > 0
    assert listed["seconds"] > 0
    assert "working" in mimo("show", session, cwd=project.path).out
    assert "I look first." in mimo("log", session, cwd=project.path).out
    page = project.path / "page.html"
    assert mimo("review", session, "--html", str(page), cwd=project.path).code == 0
    assert "No verdict yet" in page.read_text(encoding="utf-8")
    assert f"git mimo watch {session}" in page.read_text(encoding="utf-8")
    mimo("stop", session, cwd=project.path)
    mimo("attach", session, cwd=project.path)


def test_a_candidate_is_told_something_while_it_works(project: GitBuilder, llm_server: ScriptedServer) -> None:
    first = Answer(tool_calls=(("shell", json.dumps({"command": "ls"})),), latency_s=6)
    llm_server.scripts["m"] = [first, writes({"calc.py": RIGHT})]
    began = mimo("start", "mend add", "--detach", "-m", "openai/m", "-n", "1", cwd=project.path)
    session = began.out.strip()
    assert mimo("hint", "use the plus sign", session, "1", cwd=project.path).code == 0
    assert mimo("hint", "not for you", "2", cwd=project.path).code == 0
    assert mimo("watch", session, cwd=project.path).code in (0, 2)
    said = llm_server.requests[-1].prompt.decode()
    assert "The person who started this says: use the plus sign" in said
    assert "not for you" not in said
    late = mimo("hint", "x", cwd=project.path)
    assert (late.code, late.err.strip()) == (1, f"session {session} does not run")


def test_one_candidate_is_stopped_and_the_session_goes_on(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["slow"] = [Answer(text="never", latency_s=90, repeat=True)]
    llm_server.scripts["m"] = lambda _: writes({"calc.py": RIGHT})
    models = ("-m", "openai/slow", "-m", "openai/m", "-n", "2", "--fanout", "all")
    started = mimo("start", "fix add", *models, "--detach", "--max-tokens", "100000", cwd=project.path)
    assert started.code == 0, started.err
    session = started.out.strip()
    ends = time.monotonic() + 120
    while not any(request.model == "slow" for request in llm_server.requests):
        assert time.monotonic() < ends
        time.sleep(0.1)
    asked = mimo("stop", "1", cwd=project.path)
    assert asked.code == 0, asked.err
    assert f"asked candidate 1 of session {session} to stop" in asked.err
    followed = mimo("watch", session, cwd=project.path)
    assert followed.code in (0, 2), followed.err
    ended = {c["n"]: c["status"] for c in mimo("show", "--json", cwd=project.path).json["candidates"]}
    assert ended == {1: "interrupted", 2: "finished"}
