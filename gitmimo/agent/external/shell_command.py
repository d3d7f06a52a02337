"""Any shell command as an agent: its input is in environment variables, its report goes into a file."""

from gitmimo.agent.external.adapter import (
    RULES,
    TASK,
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_object,
    money,
    text,
)
from gitmimo.records import Usage

_REPORT = "report.json"


def adapter_for(line: str) -> Adapter:
    """The adapter of one command line, run by bash in the worktree."""

    def launch(request: AgentRequest) -> Launch:
        endpoint = request.endpoint
        env = {
            "MIMO_TASK": request.prompt,
            "MIMO_TASK_FILE": request.at(TASK),
            "MIMO_RULES_FILE": request.at(RULES),
            "MIMO_TEST": request.test_command,
            "MIMO_MODEL": endpoint.model,
            "MIMO_BASE_URL": endpoint.base_url,
            "MIMO_REPORT_FILE": request.at(_REPORT),
        }
        return Launch(arguments=["-c", line], env=env, files={TASK: request.prompt, RULES: request.rules})

    return Adapter(
        name="cmd",
        program="bash",
        install="",
        source="docs/agents.md",
        tested="real",
        launch=launch,
        read=_read,
        own_provider="none",
    )


def _read(run: AgentRun) -> AgentReport:
    report = json_object(run.read(_REPORT))
    has_tokens = "prompt_tokens" in report or "completion_tokens" in report
    usage = Usage(
        prompt=count(report.get("prompt_tokens")),
        cached=count(report.get("cached_tokens")),
        completion=count(report.get("completion_tokens")),
    )
    return AgentReport(
        usage=usage if has_tokens else None,
        usd=money(report.get("usd")),
        calls=count(report.get("calls")),
        summary=text(report.get("summary"))[:300],
    )
