"""`git mimo chat` without a terminal: lines in, answers out, and exit codes that a script can use."""

from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, fingerprint, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

MODEL = ("-m", "openai/gpt-4o-mini")


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    monkeypatch.setenv("GIT_MIMO_DREAM", "off")
    git.commit(PROJECT, "calc: sums")
    return git


def test_a_question_is_answered_with_looks_and_nothing_of_the_users_changes(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.write({"calc.py": "not committed\n"})
    measure = fingerprint(project)
    before = measure()
    llm_server.scripts["gpt-4o-mini"] = [
        Answer(tool_calls=(("read", '{"path": "calc.py"}'),)),
        Answer(text="In calc.py:6, `add` subtracts.\x07"),
        Answer(text="Because of the minus."),
    ]
    said = mimo("chat", *MODEL, cwd=project.path, stdin="where is the sum computed?\n\n/model\nwhy is it wrong?\n")
    assert said.code == 0, said.err
    assert said.out == "In calc.py:6, `add` subtracts.\\x07\nopenai/gpt-4o-mini\nBecause of the minus.\n"
    assert "\x1b" not in said.err + said.out
    assert "return a - b" in str(llm_server.requests[1].messages[-1]["content"]), "HEAD is seen, not the checkout"
    assert "Answered: In calc.py:6" in str(llm_server.requests[2].messages[-1]["content"])
    assert measure() == before
    spent = mimo("cost", "--json", cwd=project.path).json["rows"]
    assert [row["calls"] for row in spent] == [3]
    # a new process goes on where that one ended, and frees the context
    again = mimo("chat", *MODEL, "--continue", cwd=project.path, stdin="remember that sums are checked\n/dream\n")
    assert again.code == 0, again.err
    assert "condensed 2 turns to facts" in again.err
    assert "no session was merged yet" in again.err
    assert measure() == before


def test_a_failing_line_ends_it_with_its_code(project: GitBuilder, llm_server: ScriptedServer) -> None:
    unconfirmed = mimo("chat", *MODEL, cwd=project.path, stdin="mend add in calc.py\n/model\n")
    assert (unconfirmed.code, unconfirmed.out) == (2, "")
    assert "git mimo chat --yes" in unconfirmed.err
    assert mimo("chat", cwd=project.path, stdin="/nosuch\n/help\n").code == 129
    spent = mimo("chat", *MODEL, "--budget", "0", cwd=project.path, stdin="where is add?\n/model\n")
    assert (spent.code, spent.out) == (3, ""), spent.err
    started = mimo("chat", *MODEL, "--yes", "--budget", "0", cwd=project.path, stdin="mend add in calc.py\n")
    assert started.code == 3
    assert "/budget" in started.err
    assert llm_server.requests == []
    assert mimo("chat", cwd=project.path, stdin="/quit\n/nosuch\n").code == 0


def test_a_script_plans_starts_and_merges(project: GitBuilder, llm_server: ScriptedServer, sealed: Path) -> None:
    llm_server.scripts["gpt-4o-mini"] = [Answer(text="1. calc.py: use plus."), writes({"calc.py": RIGHT})]
    lines = "/plan mend add in calc.py\n/start -n1\n/merge\n/undo --checkout\n"
    said = mimo("chat", *MODEL, "--budget", "0.05", cwd=project.path, stdin=lines)
    assert said.code == 0, said.err
    assert said.out.startswith("1. calc.py: use plus.\n")
    assert "passed every gate" in said.out
    assert "main is now" in said.err
    task = mimo("show", "--json", cwd=project.path).json["task"]
    assert "The plan that was agreed on:\n1. calc.py: use plus." in task
    assert project("log", "-1", "--format=%s") == "calc: sums", "taken back"
    directory = next((sealed / "state/git-mimo/chat").iterdir())
    assert directory.stat().st_mode & 0o077 == 0
