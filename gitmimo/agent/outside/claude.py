"""Claude Code in its print mode."""

from gitmimo.agent.outside.adapter import Adapter, Launch, Order, Ran, Told, count, json_object, money, part, text
from gitmimo.records import StopReason, Usage

_TOOLS = "Bash,Edit,Write,Read,Glob,Grep,NotebookEdit,TodoWrite"
_ENDINGS = {
    "success": StopReason.FINISHED,
    "error_max_turns": StopReason.STEPS,
    "error_max_budget_usd": StopReason.BUDGET,
}


def _launch(order: Order) -> Launch:
    # naming the tools works as root too, where the mode that asks nothing refuses to start
    arguments = ["-p", order.prompt, "--output-format", "json", "--permission-mode", "acceptEdits"]
    arguments += ["--allowedTools", _TOOLS, "--max-turns", str(order.max_steps), "--no-session-persistence"]
    if order.endpoint.model:
        arguments += ["--model", order.endpoint.bare]
    if order.cap_usd is not None:
        arguments += ["--max-budget-usd", f"{order.cap_usd:.4f}"]
    if order.rules:
        arguments += ["--append-system-prompt", order.rules]
    env = {
        "CLAUDE_CONFIG_DIR": order.at(".claude"),
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Launch(arguments=arguments, env=env)


def _read(ran: Ran) -> Told:
    told = json_object(ran.said)
    if part(told, "type") != "result":
        return Told(problem="it printed no result")
    usage = part(told, "usage")
    read, written = count(part(usage, "cache_read_input_tokens")), count(part(usage, "cache_creation_input_tokens"))
    subtype = text(told.get("subtype"))
    ending = _ENDINGS.get(subtype, StopReason.ERROR)
    if told.get("is_error") and ending is StopReason.FINISHED:
        ending = StopReason.ERROR
    summary = text(told.get("result"))[:300]
    return Told(
        usage=Usage(
            prompt=count(part(usage, "input_tokens")) + read + written,
            cached=read,
            completion=count(part(usage, "output_tokens")),
            cache_written=written,
        ),
        usd=money(told.get("total_cost_usd")),
        calls=count(told.get("num_turns")),
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
    tells_usd=True,
)
