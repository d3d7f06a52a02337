"""`git mimo start` from the command line, over the real HTTP path, in real repositories."""

import json
from dataclasses import replace

import pytest

from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, TESTS, WRONG, fingerprint, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

TASK = "add returns the difference instead of the sum; mend it"


@pytest.fixture
def project(git: GitBuilder, scripted_model: ScriptedServer) -> GitBuilder:
    git.commit(PROJECT, "calc: sums")
    return git


def start(project: GitBuilder, *arguments: str, model: str = "openai/m"):
    said = mimo("start", "--task", TASK, "--model", model, "--json", *arguments, cwd=project.path)
    return said, (json.loads(said.out) if said.out.startswith("{") else None)


def test_a_right_candidate_ends_on_a_result_branch_with_its_evidence(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.write({"calc.py": BUGGY + "# mine\n"})
    project("stash")
    project.write({"calc.py": BUGGY + "# half done\n", "notes.txt": "untracked\n", "staged.txt": "staged\n"})
    project("add", "staged.txt")
    before = fingerprint(project)()
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT, "notes.txt": "theirs\n"}, "use the plus sign")]
    base = project("rev-parse", "HEAD")
    said, result = start(project)
    assert said.code == 0, said.err
    assert fingerprint(project)() == before
    assert project("worktree", "list").count("\n") == 0
    assert f"starting from {base[:12]} on branch main" in said.err
    assert "uncommitted changes are left out" in said.err
    assert (result["schema"], result["status"], result["winner"], result["base"]) == (
        "git-mimo/start/1",
        "passed",
        1,
        base,
    )
    branch, session = result["result_branch"], result["session"]
    assert branch.startswith("mimo/")
    assert branch.endswith(session)
    assert project("show", f"{branch}:calc.py") == RIGHT.rstrip("\n")
    assert project("rev-list", "--count", f"{base}..{branch}") == "1"
    assert project("diff", "--name-only", base, branch).split() == ["calc.py", "notes.txt"]
    message = project("log", "-1", "--format=%B", branch)
    assert f"Mimo-Session: {session}" in message
    assert "Mimo-Candidate: 1/1" in message
    assert "Mimo-Verdict: pass 2/2" in message
    assert "Assisted-by: git-mimo:openai/m" in message
    assert "Signed-off-by" not in message
    assert json.loads(project("notes", "--ref=mimo", "show", branch))["evidence"]["tests_passed"] == 2
    assert project("log", "-1", "--format=%an <%ae>", branch) == "Ada Author <ada@example.org>"

    # and the session can be looked at
    assert session in mimo("list", cwd=project.path).out
    assert mimo("status", "--json", cwd=project.path).json["sessions"][0]["status"] == "passed"
    shown = mimo("show", session[:6], cwd=project.path)
    assert "candidate 1" in shown.out
    assert "2/2 passed" in shown.out
    assert "+    return a + b" in mimo("diff", session, cwd=project.path).out
    assert "step 1" in mimo("log", session, cwd=project.path).out
    assert "a + b" in mimo("review", session, cwd=project.path).out
    assert mimo("cost", "--json", cwd=project.path).json["rows"][0]["key"] == session
    assert mimo("stop", session, cwd=project.path).code == 1


CHEATS: dict[str, dict[str, str]] = {
    "wrong": {"calc.py": WRONG},
    "edits the test": {"tests/test_calc.py": TESTS.replace("== 5", "== -1")},
}


def test_candidates_that_are_wrong_or_cheat_lose(project: GitBuilder, llm_server: ScriptedServer) -> None:
    """What else is tried to please the tests is in `tests/evaluator`."""
    names = [f"bad{number}" for number in range(len(CHEATS))]
    for name, files in zip(names, CHEATS.values(), strict=True):
        llm_server.scripts[name] = [writes(files), Answer(text="FINISH", repeat=True)]
    llm_server.scripts["good"] = [writes({"calc.py": RIGHT})]
    models = [word for name in (*names[1:], "good") for word in ("--model", f"openai/{name}")]
    said, result = start(project, *models, "-n", str(len(CHEATS) + 1), model="openai/bad0")
    assert said.code == 0, said.err
    assert result["winner"] == len(CHEATS) + 1
    for candidate in result["candidates"][:-1]:
        gates = candidate["evidence"]["gates"] if candidate["evidence"] else []
        assert not gates or [g["name"] for g in gates if g["outcome"] not in ("pass", "skipped")]


@pytest.mark.usefixtures("quick_tests")
def test_no_candidate_passes_is_exit_1_and_nothing_is_published(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": WRONG}), replace(writes({"calc.py": WRONG}), repeat=True)]
    said, result = start(project, "-n", "2")
    assert said.code == 1, said.err
    assert (result["status"], result["winner"], result["result_branch"]) == ("failed", None, None)
    assert project("branch", "--list", "mimo/*-*") == ""
    assert project("for-each-ref", f"refs/mimo/candidates/{result['session']}", "--format=%(refname)").count("\n") == 1


@pytest.mark.usefixtures("quick_tests")
def test_a_sparse_checkout_stays_sparse_and_loses_nothing(project: GitBuilder, llm_server: ScriptedServer) -> None:
    project.commit({"huge/a.bin": "a\n", "huge/deep/b.bin": "b\n"}, "much that this person needs not")
    project("sparse-checkout", "set", "tests")
    llm_server.scripts["m"] = [
        Answer(tool_calls=(("shell", json.dumps({"command": "ls; git status --short; git commit -qam x"})),)),
        writes({"calc.py": RIGHT}),
    ]
    said, result = start(project, "--merge", "--strategy", "shell")
    assert said.code == 0, said.err
    told = str(llm_server.requests[1].messages[-1]["content"])
    assert "calc.py" in told
    assert "huge" not in told
    assert result["merged"] is True
    assert project("diff", "--name-only", "HEAD~1", "HEAD") == "calc.py"
    assert (project.path / "calc.py").read_text() == RIGHT
    assert not (project.path / "huge").exists()
    assert project("status", "--porcelain") == ""


@pytest.mark.usefixtures("quick_tests")
def test_the_other_way_to_a_server_works_too(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    said = mimo("start", "-t", TASK, "-m", "openai/m", "--json", cwd=project.path, env={"GIT_MIMO_LLM": "litellm"})
    assert said.code == 0, said.err
    assert said.json["winner"] == 1


@pytest.mark.usefixtures("quick_tests")
def test_the_prefix_is_the_same_for_all_candidates(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [
        writes({"calc.py": WRONG}),
        Answer(text="1. a\n2. b\n3. c"),
        *[writes({"calc.py": WRONG})] * 8,
    ]
    start(project, "-n", "3", "--max-steps", "1")
    systems = {request.messages[0]["content"] for request in llm_server.requests if request.body.get("tools")}
    assert len(systems) == 1


def test_setup_prepares_candidates_and_evaluation_and_is_no_part_of_the_product(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.commit({
        ".gitignore": "generated.py\n",
        "tests/test_calc.py": "import generated\n" + TESTS,
        "make.sh": "echo VALUE = 1 > generated.py\n",
    })  # fmt: skip
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    said, result = start(project, "--setup", "sh make.sh", "--merge")
    assert said.code == 0, said.err
    assert project("diff", "--name-only", result["base"], result["result_commit"]) == "calc.py"
    assert result["merged"] is True
    assert project("rev-parse", "main") == result["result_commit"]
    assert (project.path / "calc.py").read_text() == RIGHT
    assert project("status", "--porcelain") == ""
