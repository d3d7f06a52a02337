"""Adapters of other agents: how they are started, and reports that are broken, hostile or of another version."""

import json
import os
from pathlib import Path

import pytest

from gitmimo.agent.external.programs import ADAPTERS, AgentRequest, Endpoint, command_adapter, parse_choices
from gitmimo.agent.external.reports import STDOUT
from gitmimo.records import StopReason, Usage
from gitmimo.sandbox.policy import program_paths

ALL = {**ADAPTERS, "cmd": command_adapter("true")}
REPORTS = ("stdout.out", "events.jsonl", "mini.traj.json", "report.json")


def request(home: Path, endpoint: Endpoint, **facts: object) -> AgentRequest:
    return AgentRequest(prompt="You work alone.", rules="no floats", home=home, endpoint=endpoint, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL)
def test_a_report_that_is_junk_tells_nothing_and_breaks_nothing(name: str, tmp_path: Path) -> None:
    junk = (
        b"",
        b"\xff\xfe\x00{",
        b"[1, 2]\n",
        b'{"type": "result", "usage": [], "total_cost_usd": "much", "num_turns": -1e400}\n',
        b'{"event": "message_send", "properties": {"prompt_tokens": "9", "cost": NaN}}\n{"event": "message_send"}\n',
        b'{"type": "step_finish", "part": []}\n{"type": "step_finish", "part": {"tokens": 3}}\n{"type": "error"}\n',
        b'{"type": "turn.completed", "usage": {"input_tokens": -5, "output_tokens": true}}\n',
        b'{"info": {"model_stats": {"api_calls": 2}, "exit_status": 7}, "messages": {"a": 1}}\n',
        b'{"stats": {"models": {"x": {"tokens": 1}, "y": null}}, "prompt_tokens": 1e300, "usd": -4}\n',
        b'{"a":' * 100_000,
    )
    for data in junk:
        for report in REPORTS:
            (tmp_path / report).write_bytes(data)
        report = ALL[name].read(tmp_path)
        assert report.usage is None or report.usage.total == 0
        assert report.usd is None or report.usd == 0
    for report in REPORTS:
        (tmp_path / report).unlink()
        (tmp_path / report).symlink_to("/etc/hostname")
    assert ALL[name].read(tmp_path).usage in (None, Usage())


@pytest.mark.parametrize("name", ALL)
def test_task_and_rules_are_handed_over_outside_the_tree(name: str, tmp_path: Path) -> None:
    adapter = ALL[name]
    launch = adapter.launch(request(tmp_path, Endpoint(model="openai/m", provider="openai")))
    given = " ".join([*launch.arguments, *launch.files.values(), *launch.env.values()])
    assert "You work alone." in given
    assert "no floats" in given
    assert not any(Path(path).is_absolute() or ".." in path for path in launch.files)
    assert not any("KEY" in variable for variable in launch.env)


def test_a_model_on_this_machine_is_reached_by_its_address(tmp_path: Path) -> None:
    near = Endpoint(model="local/q-1.5b", provider="local", base_url="http://127.0.0.1:1/v1", window=8192)
    facts = request(tmp_path, near, test_command="pytest -q", cap_usd=0.5, max_steps=7)
    aider = list(ADAPTERS["aider"].launch(facts).arguments)
    assert aider[aider.index("--model") + 1] == "openai/q-1.5b"
    mini = ADAPTERS["mini"].launch(facts).arguments
    assert {"model.model_kwargs.api_base=http://127.0.0.1:1/v1", "agent.step_limit=7", "0.5"} <= set(mini)
    config = json.loads(ADAPTERS["opencode"].launch(facts).files["opencode.json"])
    assert config["provider"]["mimo"]["models"]["q-1.5b"]["limit"]["context"] == 8192


def test_limits_that_agents_tell_become_the_candidates_end(tmp_path: Path) -> None:
    def ended(name: str, text: str, *, report: str = STDOUT) -> StopReason | None:
        (tmp_path / report).write_text(text)
        return ADAPTERS[name].read(tmp_path).ending

    assert ended("claude", '{"type": "result", "subtype": "error_max_turns"}') is StopReason.STEPS
    assert ended("claude", '{"type": "result", "subtype": "error_max_budget_usd"}') is StopReason.BUDGET
    assert ended("claude", '{"type": "result", "subtype": "success", "is_error": true}') is StopReason.ERROR
    assert ended("codex", '{"type": "turn.completed"}\n{"type": "turn.failed"}') is StopReason.ERROR
    stats = {"info": {"model_stats": {"api_calls": 9}, "exit_status": "LimitsExceeded"}}
    assert ended("mini", json.dumps(stats), report="mini.traj.json") is StopReason.STEPS


def test_agents_are_counted_and_mixed() -> None:
    assert [choice.name for choice in parse_choices(["mimo:2,aider", "cmd:a, b:2", "mini:1"])] == [
        *("mimo", "mimo", "aider", "cmd", "mini")
    ]


def test_a_programs_own_files_are_readable_and_never_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    package = home / "npm/lib/node_modules/@x/agent"
    for place in (package / "bin", home / "npm/bin", home / ".config/agent/bin"):
        place.mkdir(parents=True)
    (package / "bin/agent.js").write_text("")
    (home / "npm/bin/agent").symlink_to(package / "bin/agent.js")
    (home / "agent").write_text("")
    monkeypatch.setenv("HOME", str(home))
    found = program_paths(home / "npm/bin/agent")
    assert home / "npm/lib/node_modules" in found
    assert home not in found
    assert program_paths(home / "agent") == (home / "agent",)
    assert os.fspath(home / ".config") not in map(os.fspath, program_paths(home / ".config/agent"))
