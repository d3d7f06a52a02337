"""Sessions killed at any line of their journal, and resumed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.killed_commands import run_command
from gitmimo.journal import KILL_VARIABLE, read_journal
from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, WRONG, fingerprint, mimo, writes
from tests.scripted_server import Answer, Request, ScriptedServer

pytestmark = pytest.mark.usefixtures("quick_tests")

TASK = "add returns the difference instead of the sum; mend it"


def three_steps(request: Request) -> Answer:
    """What to say follows from the conversation alone, so that a repeated step gets the same answer."""
    taken = sum(message["role"] == "assistant" for message in request.messages)
    if taken == 0:
        return Answer(tool_calls=(("shell", json.dumps({"command": "cat calc.py"})),))
    if taken == 1:
        return Answer(tool_calls=(("write", json.dumps({"path": "calc.py", "content": RIGHT})),))
    return Answer(tool_calls=(("finish", json.dumps({"summary": "the plus sign"})),))


def wrong(request: Request) -> Answer:
    return writes({"calc.py": WRONG})


@pytest.fixture
def project(git: GitBuilder, scripted_model: ScriptedServer) -> GitBuilder:
    scripted_model.scripts.update({"m": three_steps, "bad": wrong})
    git.commit(PROJECT, "calc: sums")
    git.write({"calc.py": PROJECT["calc.py"] + "# mine\n"})
    git("stash")
    git.write({"calc.py": PROJECT["calc.py"] + "# half done\n", "notes.txt": "untracked\n", "staged.txt": "staged\n"})
    git("add", "staged.txt")
    return git


ARGUMENTS = ("start", "--task", TASK, "--model", "openai/bad", "--model", "openai/m", "-n", "2", "--json")


def session_of(project: GitBuilder) -> str:
    return next((project.path / ".git/mimo/sessions").iterdir()).name


def journal_of(project: GitBuilder) -> Path:
    return project.path / ".git/mimo/sessions" / session_of(project) / "journal.jsonl"


def check_nothing_is_lost(project: GitBuilder, before: dict[str, str], measure: Callable[[], dict[str, str]]) -> None:
    assert measure() == before
    done = subprocess.run(["git", "-C", project.path, "fsck", "--strict"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert project("worktree", "list").count("\n") == 0
    assert project("branch", "--list", "mimo/*-*").count("\n") == 0
    state = Path(os.environ["XDG_STATE_HOME"])
    assert not [path for path in state.glob("git-mimo/*/*/*") if path.parent.name == session_of(project)]
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(state) not in said


def test_gc_keeps_unfinished_work_and_removes_what_a_killed_session_left(project: GitBuilder) -> None:
    measure = fingerprint(project)
    before = measure()
    killed = mimo(*ARGUMENTS, "--fanout", "all", cwd=project.path, env={KILL_VARIABLE: "5"})
    assert killed.code == -9, killed.err
    state = Path(os.environ["XDG_STATE_HOME"])
    worktree = next(path for path in state.glob("git-mimo/*/*/[12]") if (path / "calc.py").exists())
    (worktree / "half.txt").write_text("not committed yet\n")
    foreign = project.path.parent / "theirs"
    project("worktree", "add", "-q", "--detach", str(foreign))
    told = mimo("gc", "--dry-run", "--json", cwd=project.path).json
    assert [item["kind"] for item in told["removed"]] == ["worktrees"]
    assert worktree.exists()
    assert mimo("gc", "--json", cwd=project.path).json["left"] == []
    assert not worktree.exists()
    assert foreign.exists()
    project("worktree", "remove", str(foreign))
    assert project("show", f"refs/mimo/unfinished/{session_of(project)}/{worktree.name}:half.txt")
    assert measure() == before
    assert mimo("gc", "--expire", "now", cwd=project.path).code == 0
    assert project("for-each-ref", "refs/mimo", "refs/heads/mimo") == ""
    assert not list((project.path / ".git/mimo/base-objects").glob("*/pack"))
    assert measure() == before
    assert mimo("gc", "--expire", "gibberish", cwd=project.path).code == 129


def test_gc_removes_a_session_that_was_killed_at_birth_but_none_that_begins(project: GitBuilder) -> None:
    sessions = project.path / ".git/mimo/sessions"
    old, new = sessions / "0000000001", sessions / "0000000002"
    for place in (old, new):
        place.mkdir(parents=True)
        (place / "journal.jsonl").touch()
    os.utime(old, (0, 0))
    assert mimo("gc", cwd=project.path).code == 0
    assert not old.exists()
    assert mimo("gc", "--expire", "now", cwd=project.path).code == 0
    assert new.exists()


@pytest.mark.parametrize("line", [12])
def test_a_session_killed_after_a_line_of_its_journal_is_resumed_to_the_same_tree(
    project: GitBuilder, line: int
) -> None:
    measure = fingerprint(project)
    before = measure()
    killed = mimo(*ARGUMENTS, cwd=project.path, env={KILL_VARIABLE: str(line)})
    assert killed.code == -9, killed.err
    assert len(read_journal(journal_of(project))) == line
    assert mimo("status", "--json", cwd=project.path).json["sessions"][0]["status"] in ("stopped", "passed")
    said = mimo("resume", "--json", cwd=project.path)
    if said.code == 129:
        assert "has come to its end" in said.err or "no session was cut off" in said.err
        said = mimo("show", "--json", cwd=project.path)
    assert said.code == 0, said.err
    assert said.json["winner"] == 2
    branch = said.json["result_branch"]
    assert project("show", f"{branch}:calc.py") == RIGHT.rstrip("\n")
    assert project("diff", "--name-only", "main", branch) == "calc.py"
    check_nothing_is_lost(project, before, measure)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for what is preloaded")
@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
@pytest.mark.parametrize(
    ("command", "fault", "points"),
    [
        ("memory", "kill", (22, 58)),
        ("memory", "enospc", (40,)),
        ("memory", "eio", (24,)),
        ("start", "kill", (91, 704)),
        ("start", "enospc", (91,)),
        ("start", "eio", (121,)),
        ("dream", "kill", (30,)),
    ],
)
def test_a_command_that_dies_or_fails_at_a_call_goes_on_as_if_it_had_not(
    tmp_path: Path, command: str, fault: str, points: tuple[int, ...]
) -> None:
    """A sample of `python -m benchmarks.kill_points`, which tries hundreds."""
    counts = run_command(command, tmp_path, faults=[fault], ks=points)
    assert counts == {f"{command}, {fault}": len(points)}
