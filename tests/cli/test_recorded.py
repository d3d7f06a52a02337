"""What a strong model did, replayed: projects of many shapes end solved without a setting, with the model's tests."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project import mimo
from tests.recorded import TASKS, Call, make_environment, make_project
from tests.scripted_server import Answer, ScriptedServer


@pytest.mark.parametrize("name", TASKS)
def test_a_strong_models_work_ends_solved(name: str, tmp_path: Path, llm_server: ScriptedServer) -> None:
    if name == "node" and shutil.which("node") is None:
        pytest.skip("no node")
    recorded = TASKS[name]
    home, place = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    place.mkdir()
    environ = make_environment(home, llm_server.base_url) | {"GIT_MIMO_HANG_AFTER": "4"}
    make_project(recorded, place, environ=environ)
    llm_server.scripts["m"] = list(map(_answer, recorded.replies))
    llm_server.scripts["critic"] = ["1. It does all of the task.", "1 met.\nVERDICT: ACCEPT"]
    said = mimo(
        "start", "--task", recorded.task, "-m", "openai/m", "-n", "1", "--critic", "openai/critic",
        "--max-tokens", "1000000", "--json", cwd=place / recorded.directory, env=environ,
    )  # fmt: skip
    assert said.code == 0, said.err + said.out
    (candidate,) = said.json["candidates"]
    asked = llm_server.requests[len(recorded.replies) :]
    assert candidate["status"] == "finished", [request.messages[-1] for request in asked]
    assert candidate["steps"] == len(recorded.replies)
    assert all(b"not accepted" not in request.prompt for request in llm_server.requests)
    _check_result(place, said.json["result_branch"], recorded.replies[-1][-1][1]["title"])


def _answer(calls: tuple[Call, ...]) -> Answer:
    return Answer(tool_calls=tuple((tool, json.dumps(arguments)) for tool, arguments in calls))


def _check_result(place: Path, branch: str, title: str) -> None:
    """The title is a commit's subject, the model's tests are in the result, and no generated file is."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=place, capture_output=True, text=True, check=True).stdout

    assert title in git("log", "--format=%s", f"main..{branch}").splitlines()
    changed = git("diff", "--name-only", "main", branch).split()
    assert any("test" in Path(path).name for path in changed)
    assert not any("_version" in path for path in changed)


def test_what_a_candidate_puts_into_tmp_is_there_in_its_next_step(tmp_path: Path, llm_server: ScriptedServer) -> None:
    home, place = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    place.mkdir()
    environ = make_environment(home, llm_server.base_url)
    make_project(TASKS["hangs"], place, environ=environ)
    llm_server.scripts["m"] = [
        _answer((("shell", {"command": "echo kept > /tmp/scratch; sh -c 'exit 3' | tail -1"}),)),
        _answer((("shell", {"command": "cat /tmp/scratch"}),)),
        _answer((("give_up", {"reason": "seen"}),)),
    ]
    mimo("start", "--task", "look", "-m", "openai/m", "-n", "1", "--critic", "none", "--max-tokens", "100000", "--json",
         cwd=place, env=environ)  # fmt: skip
    results = [request.messages[-1]["content"] for request in llm_server.requests[1:3]]
    assert "[1] exit 3" in results[0]
    assert "<output>\nkept\n</output>" in results[1]
    assert not list(Path(home).rglob("*.tmp"))
