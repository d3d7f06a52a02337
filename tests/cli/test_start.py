"""`git mimo start` from the command line, over the real HTTP path, in real repositories."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, TESTS, WRONG, fingerprint, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

TASK = "add returns the difference instead of the sum; mend it"


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_MAX_TOKENS", "1000000")
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    monkeypatch.setenv("GIT_MIMO_DREAM", "off")
    git.commit(PROJECT, "calc: sums")
    return git


def start(project: GitBuilder, *arguments: str, model: str = "openai/m"):
    said = mimo("start", "--task", TASK, "--model", model, "--json", *arguments, cwd=project.path)
    return said, (json.loads(said.out) if said.out.startswith("{") else None)


def test_a_right_candidate_ends_on_a_result_branch_with_its_evidence(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT}, "use the plus sign")]
    base = project("rev-parse", "HEAD")
    said, result = start(project)
    assert said.code == 0, said.err
    assert (result["schema"], result["status"], result["winner"], result["base"]) == (
        "git-mimo/start/1",
        "passed",
        1,
        base,
    )
    branch = result["result_branch"]
    assert branch.startswith("mimo/")
    assert branch.endswith(result["session"])
    assert project("show", f"{branch}:calc.py") == RIGHT.rstrip("\n")
    assert project("rev-list", "--count", f"{base}..{branch}") == "1"
    assert project("diff", "--name-only", base, branch) == "calc.py"
    message = project("log", "-1", "--format=%B", branch)
    assert f"Mimo-Session: {result['session']}" in message
    assert "Mimo-Candidate: 1/1" in message
    assert "Mimo-Verdict: pass 2/2" in message
    assert "Assisted-by: git-mimo:openai/m" in message
    assert "Signed-off-by" not in message
    assert json.loads(project("notes", "--ref=mimo", "show", branch))["evidence"]["tests_passed"] == 2
    assert project("log", "-1", "--format=%an <%ae>", branch) == "Ada Author <ada@example.org>"
    assert said.err.splitlines()[0].startswith(f"starting from {base[:12]} on branch main")


def test_the_users_checkout_is_byte_equal_before_and_after(project: GitBuilder, llm_server: ScriptedServer) -> None:
    project.write({"calc.py": BUGGY + "# mine\n"})
    project("stash")
    project.write({"calc.py": BUGGY + "# half done\n", "notes.txt": "untracked\n", "staged.txt": "staged\n"})
    project("add", "staged.txt")
    before = fingerprint(project)()
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT, "notes.txt": "theirs\n"})]
    said, result = start(project)
    assert said.code == 0, said.err
    assert "uncommitted changes are left out" in said.err
    assert fingerprint(project)() == before
    assert project("worktree", "list").count("\n") == 0


def test_a_wrong_candidate_first_loses_to_a_right_one_second(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["bad"] = [writes({"calc.py": WRONG}), *[Answer(text="FINISH", repeat=True)]]
    llm_server.scripts["good"] = [writes({"calc.py": RIGHT})]
    said, result = start(project, "--model", "openai/good", "-n", "2", model="openai/bad")
    assert said.code == 0, said.err
    assert result["winner"] == 2
    assert [c["evidence"] is not None and not _failed(c) for c in result["candidates"]] == [False, True]


def _failed(candidate) -> list[str]:
    return [g["name"] for g in candidate["evidence"]["gates"] if g["outcome"] not in ("pass", "skipped")]


CHEATS = {
    "edits the test": {"tests/test_calc.py": TESTS.replace("== 5", "== -1")},
    "skips the test": {"tests/test_calc.py": "import pytest\npytest.skip('no', allow_module_level=True)\n"},
    "empties the test": {"tests/test_calc.py": ""},
    "shadows the test": {"test_calc.py": "def test_sum(): pass\ndef test_zero(): pass\n"},
    "plants conftest": {
        "conftest.py": "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    report = outcome.get_result()\n"
        "    report.outcome = 'passed'\n    report.longrepr = None\n"
    },
    "plants sitecustomize": {"sitecustomize.py": "import os\nos._exit(0)\n"},
    "plants pytest.ini": {"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
    "exits early": {"calc.py": "import os\nos._exit(0)\n"},
}


@pytest.mark.parametrize("cheat", CHEATS, ids=str)
def test_a_cheating_candidate_loses(project: GitBuilder, llm_server: ScriptedServer, cheat: str) -> None:
    llm_server.scripts["m"] = [writes(CHEATS[cheat])]
    llm_server.scripts["good"] = [writes({"calc.py": RIGHT})]
    said, result = start(project, "--model", "openai/good", "-n", "2")
    assert result is not None, said.err
    assert result["winner"] == 2, json.dumps(result["candidates"][0]["evidence"], indent=1)


def test_no_candidate_passes_is_exit_1_and_nothing_is_published(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": WRONG}), replace(writes({"calc.py": WRONG}), repeat=True)]
    said, result = start(project, "-n", "2")
    assert said.code == 1, said.err
    assert (result["status"], result["winner"], result["result_branch"]) == ("failed", None, None)
    assert project("branch", "--list", "mimo/*-*") == ""
    assert project("for-each-ref", f"refs/mimo/candidates/{result['session']}", "--format=%(refname)").count("\n") == 1


def test_merge_option_fast_forwards_the_branch_and_the_checkout(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    said, result = start(project, "--merge")
    assert said.code == 0, said.err
    assert result["merged"] is True
    assert project("rev-parse", "main") == result["result_commit"]
    assert (project.path / "calc.py").read_text() == RIGHT
    assert project("status", "--porcelain") == ""


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


def test_doubtful_winner_is_not_merged_without_a_person(project: GitBuilder, llm_server: ScriptedServer) -> None:
    equal = "class Same(int):\n    def __eq__(self, other):\n        return True\n\n\n"
    base = project("rev-parse", "HEAD")
    llm_server.scripts["m"] = [writes({"calc.py": equal + BUGGY.replace("a - b", "Same(a - b)")})]
    said, result = start(project, "--merge", "-n", "1")
    assert said.code == 2, said.err
    assert (result["status"], result["merged"], result["verdict"]["settled"]) == ("unsettled", False, False)
    assert "not merged, needs a person" in said.err
    assert "equal to everything" in said.err
    assert project("rev-parse", "main") == base


@pytest.mark.parametrize("route", ["direct", "litellm"])
def test_both_ways_to_a_server_work(project: GitBuilder, llm_server: ScriptedServer, route: str) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    said = mimo("start", "-t", TASK, "-m", "openai/m", "--json", cwd=project.path, env={"GIT_MIMO_LLM": route})
    assert said.code == 0, said.err
    assert said.json["winner"] == 1


def test_the_prefix_is_the_same_for_all_candidates(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [
        writes({"calc.py": WRONG}),
        Answer(text="1. a\n2. b\n3. c"),
        *[writes({"calc.py": WRONG})] * 8,
    ]
    start(project, "-n", "3", "--max-steps", "1")
    systems = {request.messages[0]["content"] for request in llm_server.requests if request.body.get("tools")}
    assert len(systems) == 1


def test_a_session_is_shown_listed_and_costed(project: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    _, result = start(project)
    session = result["session"]
    assert session in mimo("list", cwd=project.path).out
    assert mimo("status", "--json", cwd=project.path).json["sessions"][0]["status"] == "passed"
    shown = mimo("show", session[:6], cwd=project.path)
    assert "candidate 1" in shown.out
    assert "2/2 passed" in shown.out
    assert "+    return a + b" in mimo("diff", session, cwd=project.path).out
    assert "step 1" in mimo("log", session, "--oneline", cwd=project.path).out
    assert "a + b" in mimo("review", session, cwd=project.path).out
    assert mimo("cost", "--json", cwd=project.path).json["rows"][0]["key"] == session
    assert mimo("stop", session, cwd=project.path).code == 1
    assert not list(Path(project.path).glob("mimo*"))


def test_setup_prepares_candidates_and_evaluation_and_is_no_part_of_the_product(
    project: GitBuilder, llm_server: ScriptedServer
) -> None:
    project.commit({
        ".gitignore": "generated.py\n",
        "tests/test_calc.py": "import generated\n" + TESTS,
        "make.sh": "echo VALUE = 1 > generated.py\n",
    })  # fmt: skip
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    said, result = start(project, "--setup", "sh make.sh")
    assert said.code == 0, said.err
    assert project("diff", "--name-only", result["base"], f"{result['result_branch']}") == "calc.py"
