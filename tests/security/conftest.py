"""A project, agents that follow a script of commands, and sessions over all of them at once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, Said, mimo
from tests.scripted_server import Answer, ScriptedServer

TASK = "add returns the difference instead of the sum; mend it"
MEND = "sed -i 's/a - b/a + b/' calc.py"
FINISH = Answer(tool_calls=(("finish", json.dumps({"summary": "done"})),), repeat=True)


def runs(*commands: str) -> list[Answer]:
    """The answers of an agent that runs these commands, one after the other, and finishes."""
    return [*(Answer(tool_calls=(("shell", json.dumps({"command": c})),)) for c in commands), FINISH]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session said, with its candidates by the name of their agent."""

    said: Said
    result: Mapping[str, Any]

    def __getitem__(self, agent: str) -> Mapping[str, Any]:
        return next(c for c in self.result["candidates"] if c["model"] == f"openai/{agent}")

    def passed(self, agent: str) -> bool:
        return not self.failed_gates(agent)

    def failed_gates(self, agent: str) -> dict[str, str]:
        """Name and reason of each gate that an agent's product failed; `evidence` when it has none."""
        evidence = self[agent]["evidence"]
        if evidence is None:
            return {"evidence": self[agent]["summary"]}
        return {g["name"]: g["detail"] for g in evidence["gates"] if g["outcome"] not in ("pass", "skipped")}


Session = Callable[..., Outcome]


@pytest.fixture
def project(git: GitBuilder, scripted_model: ScriptedServer) -> GitBuilder:
    git.commit(PROJECT, "calc: sums")
    return git


@pytest.fixture
def session(project: GitBuilder, llm_server: ScriptedServer) -> Session:
    """Starts one session in which every named agent is a candidate."""

    def start(
        agents: Mapping[str, list[Answer]], *arguments: str, task: str = TASK, env: Mapping[str, str] | None = None
    ) -> Outcome:
        llm_server.scripts.update(agents)
        models = [word for agent in agents for word in ("--model", f"openai/{agent}")]
        many = ["-n", str(len(agents)), "--strategy", "shell"]
        line = ["start", "--task", task, "--json", *many, *models, *arguments]
        said = mimo(*line, cwd=project.path, env={"GIT_MIMO_FANOUT": "all", **(env or {})})
        assert said.out.startswith("{"), said.err
        return Outcome(said, json.loads(said.out))

    return start


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that appears as soon as a planted command runs."""
    return tmp_path / "marker"


def reading_commands(outcome: Outcome) -> list[tuple[str, ...]]:
    """Commands that look at a session and its candidates."""
    name = str(outcome.result["session"])
    return [("status",), ("show", name), ("diff", name, "1"), ("log", name, "--full"), ("review", name), ("list",)]
