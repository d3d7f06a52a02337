"""What a session accepts, compares and lands, from the command line, over the real HTTP path."""

import json
from collections.abc import Mapping

import pytest

from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, WRONG, mimo, writes
from tests.scripted_server import Answer, Request, ScriptedServer

THIN = (
    "from calc import add\n\n\ndef test_sum():\n    assert add(2, 3) == 5\n\n\n"
    "def test_zero():\n    assert add(0, 0) == 0\n"
)
FIVE = BUGGY.replace("return a - b", "return 5 if a else a + b")
OWN = "from calc import add\n\n\ndef test_more():\n    assert add(1, 1) == 2\n    assert add(-3, 1) == -2\n"
ANSWER = '    return a + b\n    """Nothing else."""\n'


@pytest.fixture
def thin(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    """The project with a single call that shows what is right."""
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_MAX_TOKENS", "1000000")
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    git.commit({**PROJECT, "tests/test_calc.py": THIN}, "calc: sums")
    return git


def start(project: GitBuilder, *arguments: str, task: str = "add ergibt die Differenz"):
    said = mimo("start", "--task", task, "--json", *arguments, cwd=project.path)
    assert said.out.startswith("{"), said.err
    return said, json.loads(said.out)


def always(files: Mapping[str, str]) -> Answer:
    """An answer that is given as often as it is asked for."""
    answer = writes(files)
    return Answer(tool_calls=answer.tool_calls, repeat=True)


def test_task_for_a_test_lands_the_test(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    thin.commit({"calc.py": RIGHT}, "calc: right")
    llm_server.scripts["m"] = [always({"tests/test_more.py": OWN})]
    said, result = start(thin, "-m", "openai/m", task="Add a test of negative numbers")
    assert said.code == 0, said.err
    branch = result["result_branch"]
    assert thin("show", f"{branch}:tests/test_more.py") == OWN.rstrip("\n")
    assert thin("diff", "--name-only", "main", branch) == "tests/test_more.py"


def test_reasons_go_back_to_the_candidate_once(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    insists = Answer(tool_calls=(("finish", json.dumps({"summary": "done"})),))
    llm_server.scripts["m"] = [writes({"calc.py": WRONG}), insists, always({"calc.py": RIGHT})]
    said, result = start(thin, "-m", "openai/m", "-n", "1", "--trust-tests")
    assert said.code == 0, said.err
    assert len(result["candidates"]) == 1
    told = json.dumps(llm_server.requests[-1].messages)
    assert "refused" in told
    assert "none of the tests that failed on base passes" in told


def test_a_command_may_set_its_own_import_path(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    thin("rm", "-q", "calc.py")
    settings = PROJECT["pyproject.toml"].replace('pythonpath = ["."]\n', "")
    thin.commit({"src/calc.py": BUGGY, "pyproject.toml": settings}, "a src layout")
    command = "PYTHONPATH=src python -m pytest -q"
    looks = Answer(tool_calls=(("shell", json.dumps({"command": command})),))
    llm_server.scripts["m"] = [looks, writes({"src/calc.py": RIGHT})]
    said, result = start(thin, "-m", "openai/m", "-n", "1", "--trust-tests", "--test", command)
    assert said.code == 0, said.err
    assert "1 failed, 1 passed" in json.dumps(llm_server.requests[1].messages)
    assert result["candidates"][0]["steps"] == 2, "the tests passed when it finished"


def test_a_suite_that_is_judged_by_its_exit_code_claims_no_numbers(
    thin: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["m"] = [always({"half.sh": "echo $(($1 / 2))\n"})]
    check = '[ "$(sh half.sh 10)" = 5 ]\n'
    thin.commit({"half.sh": "echo $(($1 * 2))\n", "check.sh": check, "Makefile": "test:\n\tsh check.sh\n"})
    words = ("start", "halve the number", "-m", "openai/m", "-n", "1", "--trust-tests", "--test", "make test")
    said = mimo(*words, cwd=thin.path)
    assert said.code == 0, said.out
    assert "pass, exit code only" in said.err
    result = mimo("show", "--json", cwd=thin.path).json
    assert "Mimo-Verdict: pass exit-code " in thin("log", "-1", "--format=%B", result["result_branch"])


def test_a_makefile_that_counts_as_base_has_it_is_said_with_the_way_to_change_it(
    thin: GitBuilder, llm_server: ScriptedServer
) -> None:
    more = {"Makefile": "test: half\n\tsh check.sh\n\nhalf:\n\tcp half.in half\n", "half.in": "echo 5\n"}
    llm_server.scripts["m"] = lambda _: always(more)
    check = '[ "$(sh ./half 10)" = 5 ]\n'
    thin.commit({"check.sh": check, "Makefile": "test:\n\tsh check.sh\n", ".gitignore": "half\n"})
    words = ("start", "make half", "-m", "openai/m", "-n", "1", "--trust-tests", "--test", "make test")
    said = mimo(*words, cwd=thin.path)
    assert said.code == 1, said.out
    assert "hint: git mimo start --allow-tests Makefile ..." in said.err
    assert mimo(*words, "--allow-tests", "Makefile", cwd=thin.path).code == 2, "a person looks at what builds"


@pytest.mark.usefixtures("quick_tests")
def test_a_rejection_counts_also_where_the_session_is_stopped_afterwards(
    thin: GitBuilder, llm_server: ScriptedServer
) -> None:
    gives_up = Answer(tool_calls=(("give_up", json.dumps({"reason": "there is nothing else to do"})),))
    replies = iter((writes({"calc.py": RIGHT}), gives_up))

    def work(_: Request) -> Answer:
        reply = next(replies, None)
        if reply is None:  # the second candidate
            mimo("stop", cwd=thin.path)
        return reply or gives_up

    llm_server.scripts["m"] = work
    llm_server.scripts["c"] = lambda _: Answer(text="1. It adds, also what is negative.\nVERDICT: REJECT\n")
    _, result = start(thin, "-m", "openai/m", "--critic", "openai/c", "-n", "2")
    assert [candidate["status"] for candidate in result["candidates"]][1] == "interrupted"
    assert result["verdict"]["critic"]["rejected"] == [1]
    assert (result["winner"], result["result_branch"]) == (None, None)


def test_one_candidate_that_one_call_shows_right_needs_a_person(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [always({"calc.py": RIGHT})]
    base = thin("rev-parse", "main")
    said, result = start(thin, "-m", "openai/m", "-n", "1", "--merge")
    assert said.code == 2, said.err
    assert (result["status"], result["merged"], result["winner"]) == ("unsettled", False, 1)
    assert result["message"].startswith("needs a person: ")
    assert "not merged, needs a person" in said.err
    assert result["verdict"]["inputs"]
    assert thin("rev-parse", "main") == base
    assert thin("rev-parse", result["result_branch"])
    shown = mimo("show", cwd=thin.path)
    assert "needs a person: what is right is shown by 1 call" in shown.out


def test_second_candidate_that_does_the_same_settles_it(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    other = RIGHT.replace("return a + b", "total = b + a\n    return total")
    llm_server.scripts["a"] = [always({"calc.py": RIGHT})]
    llm_server.scripts["b"] = [always({"calc.py": other})]
    said, result = start(thin, "-m", "openai/a", "-m", "openai/b", "--merge")
    assert said.code == 0, said.err
    assert (result["status"], result["merged"], len(result["candidates"])) == ("passed", True, 2)
    assert result["verdict"]["ranking"][0]["votes"] == 2


def test_hard_coded_answer_does_not_beat_the_right_fix_with_its_tests(
    thin: GitBuilder, llm_server: ScriptedServer
) -> None:
    llm_server.scripts["a"] = [always({"calc.py": FIVE})]
    llm_server.scripts["b"] = [always({"calc.py": RIGHT, "tests/test_more.py": OWN})]
    said, result = start(thin, "-m", "openai/a", "-m", "openai/b", "-n", "2", "--fanout", "all")
    assert result["winner"] == 2, result["verdict"]
    assert said.code == 2
    assert any("candidate 1" in line and "candidate 2" in line for line in result["verdict"]["inputs"])


@pytest.mark.usefixtures("quick_tests")
def test_critic_that_rejects_the_first_lets_the_next_one_try(thin: GitBuilder, llm_server: ScriptedServer) -> None:
    def critic(request: Request) -> Answer:
        text = str(request.messages[-1]["content"])
        if "VERDICT" in text:
            return Answer(
                text="REMARK calc.py: five is no sum\nVERDICT: REJECT" if "return 5" in text else "VERDICT: ACCEPT"
            )
        return Answer(text="BETTER: TIE" if "BETTER" in text else "1. it adds two numbers, any two numbers")

    llm_server.scripts["a"] = [always({"calc.py": FIVE})]
    llm_server.scripts["b"] = [always({"calc.py": RIGHT})]
    llm_server.scripts["c"] = critic
    said, result = start(thin, "-m", "openai/a", "-m", "openai/b", "--critic", "openai/c")
    assert said.code == 0, said.err
    assert (result["status"], result["winner"]) == ("passed", 2)
    told = json.dumps([request.messages for request in llm_server.requests if request.model == "b"])
    assert "five is no sum" in told
