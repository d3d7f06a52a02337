"""`git mimo chat` in a real terminal: an afternoon from the first question to the skill that saves the last call."""

import re
import sys
from pathlib import Path

import pytest

from tests.chat.terminal import LONG_S, Screen, needs_tmux
from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, writes
from tests.scripted_server import Answer, Request, ScriptedServer

TASK = "add returns the difference instead of the sum; mend add in calc.py"


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
        return Answer(text="`add` in calc.py:4 computes the sum, and subtracts. \x1b[31mIt should add.", pieces=9)
    if "a slow one" in str(request.messages):
        return Answer(text="never", latency_s=60)
    return writes({"calc.py": RIGHT})


@needs_tmux
@pytest.mark.timeout(8 * LONG_S)
def test_an_afternoon(project: GitBuilder, llm_server: ScriptedServer, sealed: Path) -> None:
    llm_server.scripts["gpt-4o-mini"] = answers
    with Screen([sys.executable, "-m", "gitmimo", "chat"], cwd=project.path, columns=80) as screen:
        screen.wait_for("main · openai/gpt-4o-mini · $0 · context 0")

        screen.type("where is the sum computed? the key is sk-proj-" + "a1B2c3D4" * 6)
        seen = screen.wait_for(
            "calc.py:4", "\\x1b[31mIt should add.", re.compile(r"main · openai/gpt-4o-mini · \$0\.\d+").search
        )
        assert max(map(len, seen.splitlines())) <= 80
        screen.resize(120)
        screen.clear()

        screen.type(TASK)
        screen.wait_for("start a session: up to 3 candidates of gpt-4o-mini? [Y/n]")
        screen.press("Enter")
        live = screen.wait_for(
            re.compile(r"^ *# +phase", re.M).search, re.compile(r"^ *1 +(working|testing)", re.M).search
        )
        assert "base tests" in live
        screen.resize(80)
        seen = screen.wait_for("candidate 1 wins", "hint: /merge", re.compile(r"context [1-9]").search)
        assert re.search(r"^\* 1 .*\+1 -1 .*…$", seen, re.M), "the table is cut, not wrapped"
        screen.clear()

        screen.type("/merge")
        screen.wait_for("main is now")
        assert (project.path / "calc.py").read_text() == RIGHT
        screen.type("/dream")
        screen.wait_for("condensed 2 turns to facts; context", "replayed twice", "merge it into main? [y/N]")
        screen.type("y")
        screen.wait_for(lambda seen: seen.count("main is now") == 2)
        assert ".mimo/skills/" in project("ls-tree", "-r", "--name-only", "HEAD")
        project.commit({"calc.py": BUGGY}, "break it again")
        screen.clear()

        asked = len(llm_server.requests)
        screen.type(TASK)
        screen.wait_for("[Y/n]")
        screen.type("y")
        seen = screen.wait_for("candidate 0 wins", "hint: /merge")
        assert re.search(r"^\* 0 +skill", seen, re.M)
        assert len(llm_server.requests) == asked, "the skill solved it"
        screen.clear()

        screen.type("/start --no-skills --no-ask -n1 a slow one: mend add in calc.py")
        screen.wait_for(re.compile(r"^ *1 +working", re.M).search, lambda _: len(llm_server.requests) > asked)
        screen.press("C-c")
        screen.wait_for(
            "stopping; what the candidates made is kept", "go on with: git mimo resume", "main · openai/gpt-4o-mini"
        )
        screen.type("/status")
        screen.wait_for("interrupted")
        screen.clear()
        screen.press("C-c")
        screen.wait_for("Ctrl-D or /quit leaves")
        screen.press_until("C-d", "exit=0")
    kept = "".join(path.read_text() for path in (sealed / "state/git-mimo/chat").rglob("*") if path.is_file())
    assert "where is the sum computed?" in kept
    assert "a1B2c3D4" not in kept
    assert "a1B2c3D4" not in b"".join(request.prompt for request in llm_server.requests).decode()
