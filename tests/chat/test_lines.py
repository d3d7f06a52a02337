"""`git mimo chat` without a terminal: lines in, answers out, and exit codes that a script can use."""

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


def test_a_question_is_answered_from_head_and_nothing_of_the_users_changes(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.write({"calc.py": "not committed\n"})
    measure = fingerprint(project)
    before = measure()
    llm_server.scripts["gpt-4o-mini"] = [
        Answer(tool_calls=(("shell", '{"command": "cat calc.py; echo gone > calc.py"}'),)),
        Answer(tool_calls=(("finish", '{"summary": "In calc.py:6, `add` subtracts.\\u0007"}'),)),
        Answer(text="Because of the minus."),
    ]
    said = mimo("chat", *MODEL, cwd=project.path, stdin="where is the sum computed?\n\n/config get model\nwhy?\n")
    assert said.code == 0, said.err
    assert said.out == "In calc.py:6, `add` subtracts.\\x07\nopenai/gpt-4o-mini\nBecause of the minus.\n"
    assert "\x1b" not in said.err + said.out
    looked = str(llm_server.requests[1].messages[-1]["content"])
    assert "return a - b" in looked, "HEAD is seen, not the checkout"
    assert "Answered: In calc.py:6" in str(llm_server.requests[2].messages), "the next question knows the last answer"
    assert measure() == before
    rows = mimo("cost", "--json", cwd=project.path).json["rows"]
    assert sum(row["calls"] for row in rows) == 3


def test_a_failing_line_ends_it_with_its_code(project: GitBuilder, llm_server: ScriptedServer) -> None:
    unconfirmed = mimo("chat", *MODEL, cwd=project.path, stdin="fix add in calc.py\n/config get model\n")
    assert (unconfirmed.code, unconfirmed.out) == (2, "")
    assert "git mimo chat --yes" in unconfirmed.err
    assert mimo("chat", cwd=project.path, stdin="/nosuch\n/help\n").code == 129
    assert mimo("chat", cwd=project.path, stdin="/mcp\n").code == 129
    spent = mimo("chat", *MODEL, "--budget", "0", cwd=project.path, stdin="where is add?\n/config get model\n")
    assert (spent.code, spent.out) == (3, ""), spent.err
    assert llm_server.requests == []
    assert mimo("chat", cwd=project.path, stdin="/quit\n/nosuch\n").code == 0


@pytest.mark.usefixtures("quick_tests")
def test_a_script_starts_merges_and_undoes(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["gpt-4o-mini"] = [writes({"calc.py": RIGHT})]
    lines = "fix add in calc.py\n/merge\n/undo --checkout\n"
    said = mimo("chat", *MODEL, "--yes", "--budget", "0.05", cwd=project.path, stdin=lines)
    assert said.code == 0, said.err
    assert "passed every gate" in said.out
    assert "main is now" in said.err
    assert mimo("show", "--json", cwd=project.path).json["task"] == "fix add in calc.py"
    assert project("log", "-1", "--format=%s") == "calc: sums", "taken back"
