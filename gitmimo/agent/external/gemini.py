"""Gemini CLI in its headless mode."""

import json

from gitmimo.agent.external.adapter import (
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_object,
    part,
    text,
)
from gitmimo.records import StopReason, Usage

_TURN_LIMIT = 53


def _launch(request: AgentRequest) -> Launch:
    arguments = ["--output-format", "json", "--approval-mode", "yolo"]
    if request.endpoint.model:
        arguments += ["--model", request.endpoint.bare]
    settings: dict[str, object] = {
        "general": {"disableAutoUpdate": True},
        "model": {"maxSessionTurns": request.max_steps},
        "security": {"folderTrust": {"enabled": False}},
        "privacy": {"usageStatisticsEnabled": False},
    }
    files = {".gemini/settings.json": json.dumps(settings)}
    if request.rules:
        files[".gemini/GEMINI.md"] = request.rules
    return Launch(arguments=[*arguments, "--prompt", request.prompt], files=files)


def _read(run: AgentRun) -> AgentReport:
    report = json_object(run.stdout)
    problem = text(part(report, "error", "message"))
    usage, calls = Usage(), 0
    models = part(report, "stats", "models")
    for model in models.values() if isinstance(models, dict) else ():
        tokens = part(model, "tokens")
        calls += count(part(model, "api", "totalRequests"))
        usage += Usage(
            prompt=count(part(tokens, "prompt")),
            cached=count(part(tokens, "cached")),
            completion=count(part(tokens, "candidates")) + count(part(tokens, "thoughts")),
        )
    ending = StopReason.STEPS if run.exit_code == _TURN_LIMIT else None
    return AgentReport(
        usage=usage if models else None,
        calls=calls,
        summary=text(report.get("response"))[:300],
        ending=ending or (StopReason.ERROR if problem else None),
        problem=problem or ("" if report else "it printed no result"),
    )


ADAPTER = Adapter(
    name="gemini",
    program="gemini",
    install="npm install -g @google/gemini-cli",
    source="geminicli.com/docs/cli/headless, geminicli.com/docs/reference/configuration",
    tested="stand-in",
    launch=_launch,
    read=_read,
    providers=("gemini",),
    own_provider="gemini",
    logins=(".gemini/oauth_creds.json", ".gemini/google_accounts.json"),
    exit_codes={1: "a general error or a failure of the service", 42: "bad input", _TURN_LIMIT: "the limit of turns"},
)
