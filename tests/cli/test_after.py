"""What follows a session: undo, reject, drop, apply, and one number for what it cost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

OTHER = "0a1b2c3d4f"


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    git.commit(PROJECT | {"long.py": "".join(f"x{n} = {n}\n" for n in range(40))})
    return git


def record(project: GitBuilder, *files: dict[str, str], session: str = SESSION) -> str:
    """A session with a result branch, as `start` leaves it; returns the branch."""
    made = make_session(project, [Attempt(steps=list(files))], session=session)  # type: ignore[arg-type]
    write_journal(project, made)
    return str(made.result_branch)


def test_undo_takes_back_the_last_command_and_nothing_older(project: GitBuilder) -> None:
    record(project, {"calc.py": RIGHT})
    assert mimo("merge", cwd=project.path).code == 0
    base = project("rev-parse", "main")
    record(project, {"long.py": "x = 1\n"}, session=OTHER)
    assert mimo("merge", OTHER, cwd=project.path).code == 0
    assert mimo("undo", "--checkout", cwd=project.path).code == 0
    assert project("rev-parse", "main") == base
    refs = project("for-each-ref", "refs/heads")
    again = mimo("undo", "--checkout", cwd=project.path)
    assert again.code == 129, again.err
    assert "what is older is taken back by its name" in again.err
    hint = next(line for line in again.err.splitlines() if line.startswith("hint: git mimo undo "))
    assert "merge" in hint
    assert project("for-each-ref", "refs/heads") == refs
    assert mimo("undo", hint.split()[4], "--checkout", cwd=project.path).code == 0
    assert project("log", "--format=%s", "-1", "main") != "Make f return its argument"


def test_a_rejected_result_is_not_merged(project: GitBuilder) -> None:
    branch = record(project, {"calc.py": RIGHT})
    assert mimo("reject", "--reason", "we keep Decimal", cwd=project.path).code == 0
    before = project("rev-parse", "main")
    refused = mimo("merge", cwd=project.path)
    assert refused.code == 2
    assert "was rejected: we keep Decimal" in refused.err
    assert f"git merge {branch}" in refused.err
    assert project("rev-parse", "main") == before
    assert "(rejected)" in mimo("list", cwd=project.path).out


def test_the_same_change_from_two_sessions_is_merged_once(project: GitBuilder) -> None:
    base = project("rev-parse", "main")
    record(project, {"calc.py": RIGHT})
    project("commit", "--allow-empty", "-qm", "somebody else's")
    assert mimo("merge", cwd=project.path).code == 0
    project("switch", "-q", "--detach", base)
    again = record(project, {"calc.py": RIGHT}, session=OTHER)
    project("switch", "-q", "main")
    before = project("rev-parse", "main")
    assert again in project("for-each-ref")
    said = mimo("merge", OTHER, "--into", "main", cwd=project.path)
    assert (said.code, project("rev-parse", "main")) == (0, before), said.err
    assert "main has this change already" in said.err


def test_drop_forgets_a_session_and_only_this_one(project: GitBuilder) -> None:
    record(project, {"calc.py": RIGHT})
    kept = record(project, {"long.py": "x = 1\n"}, session=OTHER)
    refused = mimo("drop", SESSION, cwd=project.path)
    assert refused.code == 2
    assert "not merged" in refused.err
    assert SESSION in project("for-each-ref")
    assert mimo("drop", "--yes", SESSION, cwd=project.path).code == 0
    assert SESSION not in project("for-each-ref")
    assert kept in project("for-each-ref")
    assert SESSION not in mimo("list", cwd=project.path).out
    assert OTHER in mimo("list", cwd=project.path).out


def test_a_branch_that_is_checked_out_keeps_its_session(project: GitBuilder) -> None:
    branch = record(project, {"calc.py": RIGHT})
    project("checkout", "--quiet", branch)
    before = project("for-each-ref")
    assert mimo("drop", "--yes", SESSION, cwd=project.path).code == 2
    assert project("for-each-ref") == before


def test_apply_takes_a_result_into_a_dirty_checkout(project: GitBuilder) -> None:
    record(project, {"calc.py": RIGHT, "new.py": "n = 1\n"})
    dirty = (project.path / "long.py").read_text() + "mine = 1\n"
    project.write({"long.py": dirty})
    project("add", "long.py")
    index = project("ls-files", "--stage")
    said = mimo("apply", cwd=project.path)
    assert said.code == 0, said.err
    assert "took 2 hunks of 2 files" in said.err
    assert (project.path / "calc.py").read_text() == RIGHT
    assert (project.path / "new.py").read_text() == "n = 1\n"
    assert (project.path / "long.py").read_text() == dirty
    assert project("ls-files", "--stage") == index


def test_what_does_not_fit_changes_nothing(project: GitBuilder) -> None:
    record(project, {"calc.py": RIGHT, "new.py": "n = 1\n"})
    project.write({"calc.py": "rewritten\n"})
    refused = mimo("apply", cwd=project.path)
    assert refused.code == 2
    assert "nothing was changed" in refused.err
    assert not (project.path / "new.py").exists()
    assert mimo("apply", SESSION, "1", "new.py", cwd=project.path).code == 0
    assert (project.path / "new.py").exists()
    assert mimo("apply", "-p", cwd=project.path).code == 129


def test_chosen_hunks_are_taken(project: GitBuilder) -> None:
    from tests.cli.test_task import on_a_terminal

    lines = [f"x{n} = {n}\n" for n in range(40)]
    lines[2], lines[37] = "x2 = None\n", "x37 = None\n"
    record(project, {"long.py": "".join(lines)})
    said = on_a_terminal(["apply", "-p"], project.path, {}, typed="n\ny\n")
    assert "took 1 hunk of 1 file" in said
    text = (project.path / "long.py").read_text()
    assert "x37 = None\n" in text
    assert "x2 = 2\n" in text


@pytest.mark.usefixtures("quick_tests")
def test_the_cost_is_one_number_critic_included(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.commit(PROJECT)
    for name, value in {"OPENAI_API_BASE": llm_server.base_url, "OPENAI_API_KEY": "sk-test-0123456789"}.items():
        monkeypatch.setenv(name, value)
    git("config", "mimo.openai/gpt-4o-mini.price", "1 2")
    llm_server.scripts["gpt-4o-mini"] = lambda request: (
        writes({"calc.py": RIGHT}) if request.body.get("tools") else Answer(text="Fine.")
    )
    said = mimo(
        "start", "fix add", "-m", "openai/gpt-4o-mini", "--critic", "openai/gpt-4o-mini", "--json", cwd=git.path
    )
    assert said.code in (0, 2), said.err
    spent = mimo("cost", "--json", cwd=git.path).json["rows"]
    assert spent[0]["calls"] > 1, "the critic was asked"
    assert said.json["llm_calls"] == spent[0]["calls"]
    assert said.json["usd"] == pytest.approx(spent[0]["usd"])
    assert mimo("show", "--json", cwd=git.path).json["usd"] == pytest.approx(spent[0]["usd"])


@pytest.mark.usefixtures("quick_tests")
def test_one_key_press_that_arrives_twice_ends_a_session_orderly(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git mimo` in a terminal: the terminal sends the signal to both processes, and git passes its own on."""
    git.commit(PROJECT)
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    llm_server.scripts["m"] = [Answer(text="never", latency_s=60, repeat=True)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "gitmimo", "start", "fix add", "-m", "openai/m", "--max-tokens", "100000"],
        cwd=git.path, env={**os.environ, "PYTHONPATH": str(root)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    ends = time.monotonic() + 120
    while not llm_server.requests:
        assert time.monotonic() < ends
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.count("stopping; what the candidates made is kept") == 1
    assert "git mimo resume" in err or mimo("status", cwd=git.path).out.count("interrupted") == 1
