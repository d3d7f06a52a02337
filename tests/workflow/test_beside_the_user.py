"""Sessions while the user works in the same repository, cleans it up, or runs another session."""

import json
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import CHECK, GitBuilder
from tests.project import PROJECT, RIGHT, WRONG, Said, mimo, writes
from tests.scripted_server import Answer, Request, ScriptedServer

TASK = "add returns the difference instead of the sum; mend it"


def slow_steps(request: Request) -> Answer:
    """Five steps that write files, so that much is unpublished at any time; the last mends the fault."""
    taken = sum(message["role"] == "assistant" for message in request.messages)
    if taken < 5:
        made = {"path": f"notes/step{taken}.txt", "content": f"{taken} " * 50}
        return Answer(tool_calls=(("write", json.dumps(made)),), latency_s=0.05)
    return writes({"calc.py": RIGHT})


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_MAX_TOKENS", "10000000")
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.delenv(name)  # with entries of long ago, a gc would empty the reflogs
    llm_server.scripts.update({"m": slow_steps, "bad": lambda request: writes({"calc.py": WRONG})})
    git.commit(PROJECT, "calc: sums")
    return git


def work_as_a_user(git: GitBuilder, is_over: Callable[[], bool]) -> int:
    """Commit, stage, stash, rebase, and after each of them throw away all that git thinks nobody needs."""

    def clean() -> None:
        git("gc", "--quiet", "--prune=now", check=False)  # refused while ours writes

    count = 0
    while not is_over():
        count += 1
        git.commit({"user.txt": f"{count}\n", f"more{count}.txt": "x\n"}, f"user: {count}")
        clean()
        git.write({"user.txt": f"half {count}\n", "untracked.txt": "mine\n"})
        git("stash", "--quiet")
        clean()
        git("switch", "--quiet", "--force-create", "topic", "HEAD~1")
        git.commit({f"topic{count}.txt": "t\n"}, f"topic: {count}")
        clean()
        git("rebase", "--quiet", "main")
        git("switch", "--quiet", "main")
        git("merge", "--quiet", "--ff-only", "topic")
        clean()
        git.write({"staged.txt": f"staged {count}\n"})
        git("add", "staged.txt")
        clean()
    return count


def check_user(git: GitBuilder, count: int) -> None:
    assert git("log", "--format=%s", "main").splitlines() == [
        line for number in range(count, 0, -1) for line in (f"topic: {number}", f"user: {number}")
    ] + ["calc: sums"]
    assert len(git("stash", "list").splitlines()) == count
    assert git("show", "stash@{0}:user.txt") == f"half {count}"
    assert git("show", ":staged.txt") == f"staged {count}"
    assert (git.path / "untracked.txt").read_text() == "mine\n"
    done = subprocess.run(["git", "-C", git.path, "fsck", "--strict"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_lost_while_the_user_works_and_collects_garbage(project: GitBuilder) -> None:
    over = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        user = pool.submit(work_as_a_user, project, over.is_set)
        said = mimo(
            *("start", "--task", TASK, "--model", "openai/bad", "--model", "openai/m", "-n", "3"),
            *("--test", CHECK, "--trust-tests", "--fanout", "all", "--json"),
            cwd=project.path,
        )
        over.set()
        count = user.result()
    assert count > 1
    assert said.code == 0, said.err + said.out
    project("gc", "--quiet", "--prune=now")
    check_user(project, count)
    assert project("show", f"{said.json['result_branch']}:calc.py") == RIGHT.rstrip("\n")
    for candidate in said.json["candidates"]:
        assert project("rev-list", "--objects", candidate["commit"])
        assert project("ls-tree", candidate["evidence"]["tested_tree"])
    assert not list((project.path / ".git/mimo/writers").iterdir())


def start_together(project: GitBuilder, count: int, *arguments: str) -> list[Said]:
    with ThreadPoolExecutor(max_workers=count) as pool:
        runs = [
            pool.submit(mimo, "start", "--task", TASK, *arguments, "--json", cwd=project.path) for _ in range(count)
        ]
        return [run.result() for run in runs]


def test_two_sessions_of_eight_candidates_at_once_are_both_right(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.write({"calc.py": PROJECT["calc.py"] + "# half done\n"})
    before = project("status", "--porcelain=v2", "--branch")
    models = [word for number in range(8) for word in ("--model", "openai/m" if number == 7 else f"openai/w{number}")]
    for number in range(7):
        wrong = WRONG.replace("Sums", f"Sums, {number}")  # each another product, so that each is tested
        llm_server.scripts[f"w{number}"] = lambda request, text=wrong: writes({"calc.py": text})
    runs = start_together(project, 2, *models, "-n", "8", "--test", CHECK, "--trust-tests", "--fanout", "all")
    for run in runs:
        assert run.code == 0, run.err
        assert "lock" not in run.err
        assert run.json["winner"] == 8
        assert len(run.json["candidates"]) == 8
        assert {candidate["status"] for candidate in run.json["candidates"]} <= {"finished", "loop"}
        assert project("show", f"{run.json['result_branch']}:calc.py") == RIGHT.rstrip("\n")
    assert runs[0].json["session"] != runs[1].json["session"]
    assert project("status", "--porcelain=v2", "--branch") == before
    assert project("worktree", "list").count("\n") == 0
    done = subprocess.run(["git", "-C", project.path, "fsck", "--strict"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
