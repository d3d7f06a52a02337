"""`git mimo chat` in a real terminal: a question, a task, a merge, an interrupt."""

import sys
from pathlib import Path

import pytest

from tests.chat.terminal import LONG_S, Screen, needs_tmux
from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, writes
from tests.scripted_server import Answer, Request, ScriptedServer

TASK = "add returns the difference instead of the sum; fix add in calc.py"


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("GIT_PAGER", "cat")
    git.commit(PROJECT, "calc: sums")
    for name, value in {
        "model": "openai/gpt-4o-mini",
        "critic": "none",
        "dream": "off",
    }.items():
        git("config", f"mimo.{name}", value)
    return git


def answers(request: Request) -> Answer:
    """Like a model: what it is asked decides."""
    text = str(request.messages[-1]["content"])
    if "The question: where" in text:
        return Answer(text="`add` in calc.py:4 computes the sum, and subtracts. \x1b[31mIt should add.")
    if "a slow one" in str(request.messages):
        return Answer(text="never", latency_s=8)
    return writes({"calc.py": RIGHT})


@pytest.mark.usefixtures("quick_tests")
@needs_tmux
@pytest.mark.timeout(8 * LONG_S)
def test_a_person_asks_starts_merges_and_interrupts(
    project: GitBuilder, llm_server: ScriptedServer, sealed: Path
) -> None:
    llm_server.scripts["gpt-4o-mini"] = answers
    with Screen([sys.executable, "-m", "gitmimo", "chat"], cwd=project.path, columns=80) as screen:
        screen.wait_for("Ctrl-D leaves")
        screen.type("where is the sum computed? the key is sk-proj-" + "a1B2c3D4" * 6 + " ok?")
        screen.wait_for("calc.py:4", "\\x1b[31mIt should add.")
        screen.clear()

        screen.type(TASK)
        screen.wait_for("start a session with openai/gpt-4o-mini? [Y/n]")
        screen.press("Enter")
        screen.wait_for("candidate 1 wins", "hint: git mimo merge")
        screen.clear()
        screen.type("/merge")
        screen.wait_for("main is now")
        assert (project.path / "calc.py").read_text() == RIGHT
        screen.clear()

        asked = len(llm_server.requests)
        screen.type("/start -n1 'a slow one: fix add in calc.py'")
        screen.wait_for(lambda _: len(llm_server.requests) > asked)
        screen.press("C-c")
        screen.wait_for("stopping", "work is saved", lambda seen: seen.endswith(">"))
        screen.clear()
        screen.press("C-c")
        screen.wait_for("Ctrl-D or /quit leaves")
        screen.press_until("C-d", "exit=0")
    kept = "".join(path.read_text() for path in (sealed / "state/git-mimo/chat").rglob("*") if path.is_file())
    assert "where is the sum computed?" in kept
    assert "a1B2c3D4" not in kept
    assert "a1B2c3D4" not in b"".join(request.prompt for request in llm_server.requests).decode()
