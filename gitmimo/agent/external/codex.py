"""Codex CLI in its non-interactive mode. Its own sandbox is off: it runs in ours."""

import json

from gitmimo.agent.external.adapter import (
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_lines,
    part,
    text,
)
from gitmimo.records import StopReason, Usage


def _launch(request: AgentRequest) -> Launch:
    endpoint = request.endpoint
    arguments = ["exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    if endpoint.model:
        arguments += ["--model", endpoint.bare]
    if endpoint.base_url:
        provider = {"name": "mimo", "base_url": endpoint.base_url, "env_key": "CODEX_API_KEY", "wire_api": "responses"}
        arguments += ["-c", "model_provider=mimo"]
        for name, value in provider.items():
            arguments += ["-c", f"model_providers.mimo.{name}={json.dumps(value)}"]
    env = {"CODEX_HOME": request.at(".codex")}
    key = endpoint.env.get("OPENAI_API_KEY")
    if key:
        env["CODEX_API_KEY"] = key
    # made also when empty: its directory must be there
    return Launch(arguments=[*arguments, request.prompt], env=env, files={".codex/AGENTS.md": request.rules})


def _read(run: AgentRun) -> AgentReport:
    usage, turns, summary, problem = Usage(), 0, "", ""
    for event in json_lines(run.stdout):
        kind = event.get("type")
        if kind == "turn.completed":
            turns += 1
            tokens = part(event, "usage")
            usage += Usage(
                prompt=count(part(tokens, "input_tokens")),
                cached=count(part(tokens, "cached_input_tokens")),
                completion=count(part(tokens, "output_tokens")),
            )
        elif kind == "turn.failed":
            problem = text(part(event, "error", "message")) or "the turn failed"
        elif kind == "error":
            problem = text(event.get("message")) or problem
        elif kind == "item.completed" and part(event, "item", "type") == "agent_message":
            summary = text(part(event, "item", "text"))[:300]
    if not turns:
        return AgentReport(problem=problem or "no turn was completed")
    return AgentReport(
        usage=usage,
        calls=turns,
        summary=summary,
        problem=problem,
        ending=StopReason.ERROR if problem else None,
    )


ADAPTER = Adapter(
    name="codex",
    program="codex",
    install="npm install -g @openai/codex",
    source="developers.openai.com/codex/noninteractive, github.com/openai/codex docs/exec.md",
    tested="stand-in",
    launch=_launch,
    read=_read,
    providers=("openai",),
    own_provider="openai",
    logins=(".codex/auth.json",),
    exit_codes={1: "a turn failed, or it could not sign in"},
)
