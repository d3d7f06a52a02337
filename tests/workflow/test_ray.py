"""The Ray executor on a real cluster of several raylets, one of which is killed in the middle."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gitmimo.errors import LimitReached, MimoError
from gitmimo.git.run import GitFailed
from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, mimo, writes
from tests.scripted_server import ScriptedServer

ROOT = Path(__file__).parent.parent.parent
HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
@pytest.mark.timeout(600)
def test_a_cluster_that_loses_a_node_comes_to_the_verdict_of_the_embedded_run() -> None:
    command = [sys.executable, "-m", "benchmarks.ray_nodes", "--candidates", "3", "--nodes", "3", "--latency", "0.2"]
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as scratch:  # a socket's path has 107 bytes at most
        done = subprocess.run(
            [*command, "--stop"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": scratch, "GIT_MIMO_SANDBOX": "none"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["same_verdict"]
    assert found["verdict"]["status"] == "passed"
    assert [candidate["steps"] for candidate in found["verdict"]["candidates"]] == [6, 8, 6]
    assert found["killed"]["after_steps"] >= 3
    # it went on where it had come to: of its calls only the one in flight can have been made again
    assert found["calls_made_twice"] - 1 <= 1
    assert len(found["left_on_nodes"]) <= 1, "at most what the killed node had"
    assert found["key_seen_in"] == []
    stopped = found["stopped"]
    assert (stopped["exit_code"], stopped["statuses"], stopped["calls_after"]) == (130, ["interrupted"], 0)
    assert stopped["steps"] >= 1


@pytest.mark.usefixtures("quick_tests")
def test_candidates_and_products_travel_as_messages(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for Ray in one process, which pickles what is sent."""
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    git.commit(PROJECT)
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_MAX_TOKENS", "1000000")
    places = [str(ROOT), str(Path(__file__).parent / "stand_in_ray")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    command = ["start", "--task", "mend add", "--model", "openai/m", "-n", "1", "--trust-tests", "--executor", "ray"]
    done = subprocess.run(
        [sys.executable, "-m", "gitmimo", *command, "--json"], cwd=git.path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert [(each["status"], each["steps"]) for each in result["candidates"]] == [("finished", 1)]
    assert git("show", f"{result['result_branch']}:calc.py") == RIGHT.strip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ray-address", "ray://127.0.0.1:1"), "--ray-address auto" if HAS_RAY else "needs the library ray"),
    ],
)
def test_what_is_missing_for_ray_is_said_before_anything_is_made(
    git: GitBuilder, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    git.commit(PROJECT)
    answer = mimo(
        *("start", "--task", "mend add", "--model", "openai/m", "--max-tokens", "1000", "--sandbox", "none"),
        *("--executor", "ray", *arguments),
        cwd=git.path,
    )
    assert answer.code == 128
    assert said in answer.err
    assert git("for-each-ref", "refs/heads/mimo", "refs/mimo") == ""


@pytest.mark.parametrize(
    "error",
    [LimitReached("no room", limit="session tokens", hint="raise it"), GitFailed(["fetch"], exit_code=3, stderr="no")],
)
def test_an_expected_error_arrives_as_what_it_was(error: MimoError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)
