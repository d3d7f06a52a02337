"""Claude Code in its print mode."""

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

_TOOLS = "Bash,Edit,Write,Read,Glob,Grep,NotebookEdit,TodoWrite"
_ENDINGS = {
    "success": StopReason.FINISHED,
    "error_max_turns": StopReason.STEPS,
    "error_max_budget_usd": StopReason.BUDGET,
}


def _launch(request: AgentRequest) -> Launch:
    # naming the tools works as root too, where the mode that asks nothing refuses to start
    arguments = ["-p", request.prompt, "--output-format", "json", "--permission-mode", "acceptEdits"]
    arguments += ["--allowedTools", _TOOLS, "--max-turns", str(request.max_steps), "--no-session-persistence"]
    if request.endpoint.model:
        arguments += ["--model", request.endpoint.bare]
    if request.cap_usd is not None:
        arguments += ["--max-budget-usd", f"{request.cap_usd:.4f}"]
    if request.rules:
        arguments += ["--append-system-prompt", request.rules]
    env = {
        "CLAUDE_CONFIG_DIR": request.at(".claude"),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Launch(arguments=arguments, env=env)


def _read(run: AgentRun) -> AgentReport:
    report = json_object(run.stdout)
    if part(report, "type") != "result":
        return AgentReport(problem="it printed no result")
    usage = part(report, "usage")
    read, written = count(part(usage, "cache_read_input_tokens")), count(part(usage, "cache_creation_input_tokens"))
    subtype = text(report.get("subtype"))
    ending = _ENDINGS.get(subtype, StopReason.ERROR)
    if report.get("is_error") and ending is StopReason.FINISHED:
        ending = StopReason.ERROR
    summary = text(report.get("result"))[:300]
    return AgentReport(
        usage=Usage(
            prompt=count(part(usage, "input_tokens")) + read + written,
            cached=read,
            completion=count(part(usage, "output_tokens")),
            cache_written=written,
        ),
        usd=money(report.get("total_cost_usd")),
        calls=count(report.get("num_turns")),
        summary=summary or subtype,
        ending=ending,
        problem=(summary or subtype) if ending is StopReason.ERROR else "",
    )


ADAPTER = Adapter(
    name="claude",
    program="claude",
    install="npm install -g @anthropic-ai/claude-code",
    source="code.claude.com/docs/en/headless, code.claude.com/docs/en/cli-reference",
    tested="stand-in",
    launch=_launch,
    read=_read,
    providers=("anthropic",),
    own_provider="anthropic",
    logins=(".claude/.credentials.json",),
)
