"""The real programs of other agents in one session with our own, against the scripted server, where they are installed.

Put them on PATH to run this: `pip install aider-chat`, `pip install mini-swe-agent` (each in an environment of its
own), `npm install -g opencode-ai`.
"""

import json
import shutil

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, mimo, writes
from tests.scripted_server import Answer, Request, ScriptedServer

MEND = "sed -i 's/a - b/a + b/' calc.py"
AGENTS = [name for name in ("aider", "mini", "opencode") if shutil.which(name)]


def answer(request: Request) -> str | Answer:
    """What a model would say that solves the task in each agent's own language."""
    asked = json.dumps(request.messages)
    offered = {tool["function"]["name"] for tool in request.body.get("tools") or ()}
    is_first = not any(message["role"] in ("assistant", "tool") for message in request.messages)
    if "COMPLETE_TASK_AND_SUBMIT" in asked:
        command = MEND if is_first else "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
        if offered:
            return Answer(text="so", tool_calls=(("bash", json.dumps({"command": command})),))
        return f"THOUGHT: so.\n\n```mswea_bash_command\n{command}\n```"
    if "finish" in offered:
        return writes({"calc.py": RIGHT})
    if "bash" in offered:
        call = json.dumps({"command": MEND, "description": "mend"})
        return Answer(text="so", tool_calls=(("bash", call),)) if is_first else "Done."
    if "expert software developer" in asked:
        return f"calc.py\n```\n{RIGHT}```\n"
    return "1. the first way of several\n2. the second way of several"


@pytest.mark.skipif(not AGENTS, reason="neither aider nor mini nor opencode is installed")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", ["small-1.5b", "large"])
def test_real_agents_beside_our_own_are_judged_alike_and_every_token_is_counted(
    git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    git.commit(PROJECT, "calc: sums")
    llm_server.scripts[model] = answer
    options = [
        "--critic",
        "none",
        "--fanout",
        "all",
        "--max-tokens",
        "900000",
        "--strategy",
        "shell",
        "--protocol",
        "tools",
    ]
    chosen = [word for name in ("mimo", *AGENTS) for word in ("--agent", name)]
    said = mimo("start", "-t", "mend add", "-m", f"openai/{model}", *options, *chosen, "--json", cwd=git.path)
    assert said.code == 0, said.err
    found = said.json["candidates"]
    told = [(c["agent"], c["status"], c["evidence"]["tests_passed"], c["usd"]) for c in found]
    assert told == [(name, "finished", 2, 0.0) for name in ("mimo", *AGENTS)], json.dumps(found, indent=1)
    assert len({c["tree"] for c in found}) == 1
    rows = mimo("cost", "--by", "candidate", "--json", cwd=git.path).json["rows"]
    billed = llm_server.billed
    assert sum(row["tokens"]["prompt"] + row["tokens"]["completion"] for row in rows) == (
        billed.prompt + billed.completion
    )
    assert sum(row["calls"] for row in rows) == said.json["llm_calls"]
    assert said.json["skill"] is None
