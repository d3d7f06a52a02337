"""What was solved once is solved again without a model: dream, clone, approve, replay."""

from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, mimo, writes
from tests.scripted_server import ScriptedServer

TASK = "add returns the difference instead of the sum; mend add in calc.py"


def test_a_task_solved_once_is_solved_again_in_a_fresh_clone_without_a_model(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    git.commit(PROJECT, "calc: sums")
    start = ("start", "-t", TASK, "-m", "openai/m", "--max-tokens", "100000", "--critic", "none", "--json")
    first = mimo(*start, "--merge", cwd=git.path)
    assert first.code == 0, first.err
    assert git("log", "-1", "--format=%s").startswith("dream: add skill")
    git.commit({"calc.py": BUGGY}, "break it again")

    clone = tmp_path / "clone"
    git("clone", "-q", str(git.path), str(clone))
    requests = len(llm_server.requests)
    refused = mimo("trust", "--show", cwd=clone)
    assert refused.code == 2
    assert "not approved" in refused.err
    assert mimo("trust", "--yes", cwd=clone).code == 0
    second = mimo(*start, cwd=clone)
    assert second.code == 0, second.err
    result = second.json
    assert (result["winner"], result["llm_calls"], result["status"]) == (0, 0, "passed")
    assert result["skill"] in git("log", "-1", "--format=%s", "HEAD~1")
    assert len(llm_server.requests) == requests
    assert all(gate["outcome"] in ("pass", "skipped") for gate in result["candidates"][0]["evidence"]["gates"])


def test_no_skills_asks_the_model(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})] * 2
    git.commit(PROJECT, "calc: sums")
    start = ("start", "-t", TASK, "-m", "openai/m", "--max-tokens", "100000", "--critic", "none", "--json")
    assert mimo(*start, "--merge", cwd=git.path).code == 0
    git.commit({"calc.py": BUGGY}, "break it again")
    again = mimo(*start, "--no-skills", cwd=git.path)
    assert again.code == 0, again.err
    assert (again.json["winner"], again.json["llm_calls"]) == (1, 1)
