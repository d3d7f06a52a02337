"""Any shell command as an agent: what it needs is in its environment, what it wants to tell goes into a file."""

from gitmimo.agent.outside.adapter import (
    RULES,
    TASK,
    Adapter,
    Launch,
    Order,
    Ran,
    Told,
    count,
    json_object,
    money,
    text,
)
from gitmimo.records import Usage

_TOLD = "told.json"


def adapter_for(line: str) -> Adapter:
    """The adapter of one command line, run by bash in the worktree."""

    def launch(order: Order) -> Launch:
        endpoint = order.endpoint
        env = {
            "MIMO_TASK": order.prompt,
            "MIMO_TASK_FILE": order.at(TASK),
            "MIMO_RULES_FILE": order.at(RULES),
            "MIMO_TEST": order.test_command,
            "MIMO_MODEL": endpoint.model,
            "MIMO_BASE_URL": endpoint.base_url,
            "MIMO_TOLD_FILE": order.at(_TOLD),
        }
        return Launch(arguments=["-c", line], env=env, files={TASK: order.prompt, RULES: order.rules})

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


def _read(ran: Ran) -> Told:
    told = json_object(ran.read(_TOLD))
    has_tokens = "prompt_tokens" in told or "completion_tokens" in told
    usage = Usage(
        prompt=count(told.get("prompt_tokens")),
        cached=count(told.get("cached_tokens")),
        completion=count(told.get("completion_tokens")),
    )
    return Told(
        usage=usage if has_tokens else None,
        usd=money(told.get("usd")),
        calls=count(told.get("calls")),
        summary=text(told.get("summary"))[:300],
    )
