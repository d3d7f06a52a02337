"""`git mimo start --agent`: other agents' programs as candidates, with stand-ins where the real ones can't be run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, fingerprint, mimo
from tests.scripted_server import ScriptedServer
from tests.stand_in_agents import put_agents

TASK = "add returns the difference instead of the sum; mend it"
KEY = "sk-ant-test-0123456789abcdef"
MEND = "sed -i 's/a - b/a + b/' calc.py"


@pytest.fixture
def project(git: GitBuilder, llm_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("GIT_MIMO_CRITIC", "none")
    monkeypatch.setenv("GIT_MIMO_DREAM", "off")
    monkeypatch.setenv("PATH", f"{put_agents(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    git.commit(PROJECT | {"AGENTS.md": "Sums are never rounded.\n", ".gitignore": "*.log\n"}, "calc: sums")
    return git


def step_of(project: GitBuilder, session: str, number: int) -> Any:
    return json.loads(
        project("show", f"refs/mimo/candidates/{session}/{number}:.mimo/trajectory/{session}/{number}/0001.json")
    )


def test_three_kinds_of_agents_are_judged_alike_and_what_they_told_is_what_they_cost(project: GitBuilder) -> None:
    before = fingerprint(project)()
    project("config", "mimo.price.gpt-m", "2 8")  # USD per million tokens
    told = """echo '{"prompt_tokens": 70, "usd": 0.5, "summary": "mended"}' > "$MIMO_REPORT_FILE"; """
    said = mimo(
        *("start", "-t", TASK, "-m", "gpt-m", "--fanout", "all", "--budget", "2", "--json"),
        *("--agent", "claude,codex", "--agent", f"cmd:{told}{MEND}; touch .left $HOME/x"),
        cwd=project.path,
    )
    assert said.code == 0, said.err
    found = said.json["candidates"]
    assert [(c["agent"], c["model"], c["status"], c["summary"]) for c in found] == [
        ("claude", "", "finished", "Swapped the operator; both tests pass."),
        ("codex", "gpt-m", "finished", "`add` adds now."),
        ("cmd", "gpt-m", "finished", "mended"),
    ]
    assert [c["evidence"]["tests_passed"] for c in found] == [2, 2, 2]
    assert len({c["tree"] for c in found[:2]}) == 1
    prompts = [(c["tokens"]["prompt"], c["tokens"]["cached"], c["tokens"]["completion"]) for c in found]
    assert prompts == [(4912, 4000, 310), (20000, 15000, 1000), (70, 0, 0)]
    # told; counted at the price that is set; told
    assert [round(c["usd"], 4) for c in found] == [0.0123, 0.048, 0.5]
    rows = mimo("cost", "--by", "candidate", "--json", cwd=project.path).json["rows"]
    assert [round(row["usd"], 4) for row in sorted(rows, key=lambda row: str(row["key"]))] == [0.0123, 0.048, 0.5]
    assert said.json["usd"] == pytest.approx(0.5603)
    assert sum(row["calls"] for row in rows) == said.json["llm_calls"]
    assert "claude, codex, cmd run in the sandbox with network" in said.err
    after = fingerprint(project)()
    assert {name: after[name] for name in before if name != ".git/config"} == {
        name: before[name] for name in before if name != ".git/config"
    }

    session = said.json["session"]
    claude, codex = (step_of(project, session, n)["observations"][0]["text"] for n in (1, 2))
    assert "argument <--max-budget-usd>\nargument <0.6667>" in claude
    assert "key ANTHROPIC_API_KEY" in claude
    assert "Sums are never rounded." in claude
    assert TASK in claude
    assert KEY not in claude
    assert "key OPENAI_API_KEY" not in claude
    assert "key ANTHROPIC_API_KEY" not in codex
    assert "argument <model_provider=mimo>" in codex
    assert "Sums are never rounded." in codex
    shown = mimo("show", session, cwd=project.path).out
    assert "candidate 2 (codex gpt-m)" in shown
    assert not list(Path(os.environ["XDG_STATE_HOME"]).glob("git-mimo/*-*"))


@pytest.mark.usefixtures("quick_tests")
def test_an_agent_sees_its_login_and_nothing_else_of_the_home(project: GitBuilder, monkeypatch: Any) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    home = Path.home()
    (home / ".claude").mkdir()
    (home / ".claude/.credentials.json").write_text("{}")
    (home / ".ssh").mkdir()
    (home / ".ssh/id").write_text("secret")
    look = f'cat {home}/.ssh/id; find "$HOME" -type f; touch .aider.tags .aider.keep'
    put_agents(project.path.parent, claude=look + "\n", aider=look + "\necho '[]' > $HOME/events.jsonl\n")
    project.commit({".aider.keep": "the project's\n"})
    said = mimo(
        *("start", "-t", TASK, "-m", "openai/m", "--fanout", "all", "--json", "--agent", "claude", "--agent", "aider"),
        cwd=project.path,
    )
    assert said.out, said.err
    session = said.json["session"]
    text = step_of(project, session, 1)["observations"][0]["text"]
    assert ".home/.claude/.credentials.json" in text
    assert "secret" not in text
    assert [c["status"] for c in said.json["candidates"]] == ["error", "error"]  # neither printed its report
    assert said.json["candidates"][1]["summary"] == "aider: it asked no model"
    # what aider leaves at the top goes, unless it is the project's
    assert project("diff", "--name-only", "main", said.json["candidates"][0]["tree"]).split() == [
        ".aider.tags",
        "calc.py",
    ]
    assert project("diff", "--name-only", "main", said.json["candidates"][1]["tree"]) == "calc.py"


@pytest.mark.usefixtures("quick_tests")
def test_an_agent_that_hangs_is_ended_and_one_that_fails_says_why(project: GitBuilder) -> None:
    said = mimo(
        *("start", "-t", TASK, "--fanout", "all", "--json", "--max-tokens", "999"),
        *("--agent", f"cmd:{MEND}; sleep 300 & sleep 300"),
        *("--agent", "cmd:echo no such luck >&2; exit 3"),
        cwd=project.path,
        env={"GIT_MIMO_AGENT_TIMEOUT": "3"},
    )
    hung, failed = said.json["candidates"]
    assert (hung["status"], hung["summary"]) == ("timeout", "cmd did not end within its time")
    assert (failed["status"], failed["summary"]) == ("error", "cmd: exit code 3, no such luck")
    assert said.json["winner"] == 1  # what it had made until then is judged as any other product
    assert "sleep 300" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("quick_tests")
def test_a_stopped_agent_is_started_again_in_its_files_by_resume(project: GitBuilder) -> None:
    first = 'echo "half done" > notes.txt; [ -e seen.txt ] || { touch seen.txt; sleep 300; }; ' + MEND
    with subprocess.Popen(
        [sys.executable, "-m", "gitmimo", "start", "-t", TASK, "--json", "--agent", f"cmd:{first}"],
        cwd=project.path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        state = Path(os.environ["XDG_STATE_HOME"])
        while not list(state.glob("git-mimo/*/*/1/seen.txt")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=60)[0]
    stopped = json.loads(out)
    assert (process.returncode, stopped["status"]) == (130, "interrupted")
    said = mimo("resume", "--json", cwd=project.path)
    assert said.code == 0, said.err
    assert (said.json["winner"], said.json["candidates"][0]["steps"]) == (1, 2)
    assert "seen.txt" in project("ls-tree", "--name-only", said.json["result_commit"])


ASK = """\
python - <<'END'
import json, os, urllib.request
body = json.dumps({"model": "any", "messages": [{"role": "user", "content": "hello from an agent"}]}).encode()
head = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
asked = urllib.request.Request(os.environ["MIMO_BASE_URL"] + "/chat/completions", body, head)
print(urllib.request.urlopen(asked, timeout=60).read().decode())
END
"""


@pytest.mark.usefixtures("quick_tests")
def test_an_agent_reaches_the_embedded_model_and_costs_nothing(project: GitBuilder) -> None:
    models = Path(os.environ["XDG_DATA_HOME"]) / "git-mimo/models"
    models.mkdir(parents=True)
    (models / "m.gguf").write_bytes(b"GGUF and weights")
    root = Path(__file__).parent.parent.parent
    said = mimo(
        *("start", "-t", TASK, "-m", "local/m", "--budget", "1", "--json", "--agent", f"cmd:{ASK}{MEND}"),
        cwd=project.path,
        env={"PYTHONPATH": os.pathsep.join((str(root / "tests/llm/stand_in"), str(root)))},
    )
    assert said.code == 0, said.err
    candidate = said.json["candidates"][0]
    assert (candidate["agent"], candidate["model"], candidate["usd"]) == ("cmd", "local/m", 0.0)
    assert "hello from an agent" in step_of(project, said.json["session"], 1)["observations"][0]["text"]


@pytest.mark.parametrize(
    ("agents", "says"),
    [
        (["nobody"], "unknown agent: `nobody`"),
        (["aider:0"], "not a number of candidates from 1 to 64: `aider:0`"),
        (["mimo:40", "mimo:40"], "more than 64 candidates: `80`"),
        (["cmd: "], "the agent's command is empty"),
        (["mini"], "`mini` is not on PATH: agent `mini`"),
    ],
    ids=str,
)
def test_an_agent_that_cannot_be_started_is_said_before_anything_is_made(
    project: GitBuilder, agents: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]))
    options = [word for agent in agents for word in ("--agent", agent)]
    said = mimo("start", "-t", TASK, "-m", "openai/m", *options, cwd=project.path)
    assert (said.code, says in said.err) == (129, True), said.err
    assert project("for-each-ref", "refs/mimo", "refs/heads/mimo") == ""


def test_doctor_says_in_pytests_words_what_a_fresh_tree_lacks(project: GitBuilder) -> None:
    project.commit({"tests/test_more.py": "from calc_made import parse\n", ".gitignore": "calc_made\n"})
    said = mimo("doctor", "--json", cwd=project.path)
    (problem,) = [f for f in said.json["findings"] if f["subject"] == "tests" and f["level"] == "problem"]
    assert "No module named 'calc_made'" in problem["text"]
    assert "worktree.copy" in problem["remedy"]
    assert said.code == 1


def test_doctor_says_which_agents_are_here(project: GitBuilder) -> None:
    found = {f["subject"]: f for f in mimo("doctor", "--json", cwd=project.path).json["findings"]}
    assert found["claude"]["level"] == "ok"
    assert "--agent claude" in found["claude"]["text"]
