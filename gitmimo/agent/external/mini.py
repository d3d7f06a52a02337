"""mini-swe-agent: one shell command a step, nothing else."""

from collections.abc import Mapping
from typing import Any

from gitmimo.agent.external.adapter import (
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_object,
    money,
    part,
    text,
)
from gitmimo.records import StopReason, Usage

_TRAJECTORY = "mini.traj.json"
_ENDINGS = {
    "Submitted": StopReason.FINISHED,
    "LimitsExceeded": StopReason.STEPS,
    "TimeExceeded": StopReason.TIMEOUT,
}


def _launch(request: AgentRequest) -> Launch:
    endpoint = request.endpoint
    prompt = f"{request.rules}\n\n{request.prompt}" if request.rules else request.prompt
    arguments = ["-m", endpoint.litellm_name, "-t", prompt, "-y", "--exit-immediately", "-l", f"{request.cap_usd or 0}"]
    # models that write few valid tool calls get the variant that reads commands from text
    small = ["-c", "mini_textbased.yaml", "--model-class", "litellm_textbased"]
    arguments += small if endpoint.is_small else ["-c", "mini.yaml"]
    arguments += ["-c", "model.cost_tracking=ignore_errors", "-c", f"agent.step_limit={request.max_steps}"]
    if endpoint.base_url:
        arguments += ["-c", f"model.model_kwargs.api_base={endpoint.base_url}"]
    if endpoint.is_small:
        arguments += ["-c", f"model.model_kwargs.max_tokens={request.max_output_tokens}"]
    arguments += ["-o", request.at(_TRAJECTORY)]
    env = {
        "MSWEA_CONFIGURED": "true",
        "MSWEA_SILENT_STARTUP": "1",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "MSWEA_GLOBAL_CONFIG_DIR": request.at(".config/mini-swe-agent"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return Launch(arguments=arguments, env=env)


def _read(run: AgentRun) -> AgentReport:
    report = json_object(run.read(_TRAJECTORY))
    info, messages = part(report, "info"), part(report, "messages")
    calls = count(part(info, "model_stats", "api_calls"))
    if not calls:
        return AgentReport(usage=Usage() if info else None, problem="it asked no model")
    usages = [found for message in messages or () if (found := part(message, "extra", "response", "usage"))]
    status = text(part(info, "exit_status"))
    ending = _ENDINGS.get(status, StopReason.ERROR)
    return AgentReport(
        usage=sum(map(_usage, usages), Usage()) if usages else None,
        usd=money(part(info, "model_stats", "instance_cost")) or None,
        calls=calls,
        summary=text(part(info, "submission")).strip()[:300] or status,
        ending=ending,
        problem=f"it ended with {status or 'no status'}" if ending is StopReason.ERROR else "",
    )


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt=count(usage.get("prompt_tokens")),
        cached=count(part(usage, "prompt_tokens_details", "cached_tokens")),
        completion=count(usage.get("completion_tokens")),
    )


ADAPTER = Adapter(
    name="mini",
    program="mini",
    install="pip install mini-swe-agent",
    source="mini-swe-agent.com/latest/usage/mini, mini-swe-agent.com/latest/usage/output_files",
    tested="real",
    launch=_launch,
    read=_read,
    exit_codes={1: "an exception, shown at the end of its output"},
)
