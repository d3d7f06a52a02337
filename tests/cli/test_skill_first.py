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
    # from here on there is no model, no key and no server
    for name in ("OPENAI_API_BASE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    start = ("start", "-t", TASK, "--json")
    refused = mimo(*start, cwd=clone)
    assert refused.code == 128
    assert "no model is configured" in refused.err
    assert "git mimo trust   # the skill" in refused.err
    shown = mimo("trust", "--show", cwd=clone)
    assert shown.code == 2
    assert "not approved" in shown.err
    assert mimo("trust", "--yes", cwd=clone).code == 0
    second = mimo(*start, cwd=clone)
    assert second.code == 0, second.err
    result = second.json
    assert (result["winner"], result["llm_calls"], result["status"]) == (0, 0, "passed")
    assert result["skill"] in git("log", "-1", "--format=%s", "HEAD~1")
    assert len(llm_server.requests) == requests
    assert all(gate["outcome"] in ("pass", "skipped") for gate in result["candidates"][0]["evidence"]["gates"])
    tree = git("-C", str(clone), "rev-parse", f"{result['result_branch']}:calc.py")
    assert tree == git("rev-parse", "HEAD~1:calc.py")

    # the same again is not tested again, and where the skill doesn't apply a model is asked for, not before
    third = mimo(*start, cwd=clone).json
    assert third["candidates"][0]["evidence"] == result["candidates"][0]["evidence"]
    (clone / "calc.py").write_text(BUGGY.replace("a - b", "a - b + 0"))
    git("-C", str(clone), "commit", "-qam", "another bug")
    unmet = mimo("start", "-t", TASK, cwd=clone)
    assert unmet.code == 128
    assert "no model is configured" in unmet.err
    assert "failed: " in unmet.err


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
