"""opencode: tool calls, through an OpenAI-compatible provider written into a configuration of its own."""

import json

from gitmimo.agent.external.adapter import (
    RULES,
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_lines,
    money,
    part,
    text,
)
from gitmimo.records import Usage

_CONFIG = "opencode.json"


def _launch(request: AgentRequest) -> Launch:
    endpoint = request.endpoint
    config: dict[str, object] = {
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "permission": {"*": "allow", "question": "deny"},
    }
    arguments = ["run", "--format", "json", "--title", "task"]
    url = endpoint.base_url or (endpoint.provider_url if endpoint.provider != "openai" else "")
    if endpoint.model and url:
        limit = {"context": endpoint.window or 32_768, "output": request.max_output_tokens}
        config["provider"] = {
            "mimo": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "mimo",
                "options": {"baseURL": url, "apiKey": f"{{env:{endpoint.key_variable or 'OPENAI_API_KEY'}}}"},
                "models": {endpoint.bare: {"name": endpoint.bare, "tool_call": True, "limit": limit}},
            }
        }
        config["small_model"] = f"mimo/{endpoint.bare}"
        arguments += ["--model", f"mimo/{endpoint.bare}"]
    elif endpoint.model:
        arguments += ["--model", f"{endpoint.provider}/{endpoint.bare}"]
    files = {}
    if request.rules:
        files[RULES] = request.rules
        config["instructions"] = [request.at(RULES)]
    files[_CONFIG] = json.dumps(config)
    env = {
        "OPENCODE_CONFIG": request.at(_CONFIG),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    return Launch(arguments=[*arguments, request.prompt], env=env, files=files)


def _read(run: AgentRun) -> AgentReport:
    events = list(json_lines(run.stdout))
    steps = [event["part"] for event in events if event.get("type") == "step_finish" and part(event, "part")]
    words = [text(part(event, "part", "text")) for event in events if event.get("type") == "text"]
    errors = [part(event, "error") for event in events if event.get("type") == "error"]
    problem = text(part(errors[-1], "data", "message")) or text(part(errors[-1], "name")) if errors else ""
    if not steps:
        return AgentReport(problem=problem or "it asked no model")
    usage = Usage()
    for step in steps:
        tokens = part(step, "tokens")
        read, written = count(part(tokens, "cache", "read")), count(part(tokens, "cache", "write"))
        usage += Usage(
            prompt=count(part(tokens, "input")) + read + written,
            cached=read,
            completion=count(part(tokens, "output")) + count(part(tokens, "reasoning")),
            cache_written=written,
        )
    usd = sum(money(part(step, "cost")) or 0.0 for step in steps) or None
    return AgentReport(
        usage=usage, usd=usd, calls=len(steps), summary=words[-1][:300] if words else "", problem=problem
    )


ADAPTER = Adapter(
    name="opencode",
    program="opencode",
    install="npm install -g opencode-ai",
    source="opencode.ai/docs/cli, opencode.ai/docs/config, opencode.ai/docs/providers",
    tested="real",
    launch=_launch,
    read=_read,
    own_provider="opencode",
    logins=(".local/share/opencode/auth.json",),
)
