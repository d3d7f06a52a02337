"""Reads what each agent's program reports of its run: files that may be broken, hostile or of another version.

Each reader is given the private home of the run; what the program wrote to its standard output is a file there too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.errors import MimoError
from gitmimo.records import StopReason, Usage
from gitmimo.sandbox.files import read_inside

STDOUT = "stdout.out"

AIDER_EVENTS = "events.jsonl"  # files of the private home that programs are told to write
MINI_TRAJECTORY = "mini.traj.json"
COMMAND_REPORT = "report.json"

_CLAUDE_ENDINGS = {
    "success": StopReason.FINISHED,
    "error_max_turns": StopReason.STEPS,
    "error_max_budget_usd": StopReason.BUDGET,
}
_MINI_ENDINGS = {
    "Submitted": StopReason.FINISHED,
    "LimitsExceeded": StopReason.STEPS,
    "TimeExceeded": StopReason.TIMEOUT,
}
_LONGEST_SUMMARY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """A program's report of its run; None where it has no value. `usage.prompt` includes the cached tokens."""

    usage: Usage | None = None
    usd: float | None = None
    calls: int = 0
    summary: str = ""
    ending: StopReason | None = None  # where the exit code does not say it
    problem: str = ""  # why it ended badly, in its own words


def read_home(home: Path, name: str) -> str:
    """A file of the private home as text; empty when it is not there, too large or not a plain file."""
    try:
        return (read_inside(home, name) or b"").decode(errors="replace")
    except MimoError:
        return ""


def read_aider(home: Path) -> AgentReport:
    """Its event log has exact counts; the cost is 0 for a model whose price it doesn't know."""
    events = list(_json_lines(read_home(home, AIDER_EVENTS)))
    told = [(event.get("event"), found) for event in events if isinstance(found := event.get("properties"), dict)]
    sent = [properties for name, properties in told if name == "message_send"]
    if not sent:
        broken = [properties for name, properties in told if name == "message_send_exception"]
        problem = _text(broken[-1].get("exception")) if broken else "it asked no model"
        return AgentReport(usage=Usage() if events and not broken else None, problem=problem)
    lines = [
        line.strip() for line in read_home(home, STDOUT).splitlines() if line.strip() and not line.startswith("Tokens:")
    ]
    return AgentReport(
        usage=sum((_usage(each, prompt="prompt_tokens", completion="completion_tokens") for each in sent), Usage()),
        usd=sum(_money(each.get("cost")) or 0.0 for each in sent) or None,
        calls=len(sent),
        summary=_summary(" ".join(lines[-3:])),
    )


def read_claude(home: Path) -> AgentReport:
    """One JSON object on standard output."""
    report = _json_object(read_home(home, STDOUT))
    if report.get("type") != "result":
        return AgentReport(problem="it printed no result")
    subtype = _text(report.get("subtype"))
    ending = _CLAUDE_ENDINGS.get(subtype, StopReason.ERROR)
    if report.get("is_error") and ending is StopReason.FINISHED:
        ending = StopReason.ERROR
    summary = _summary(report.get("result")) or subtype
    return AgentReport(
        usage=_usage(
            report.get("usage"),
            prompt="input_tokens cache_read_input_tokens cache_creation_input_tokens",
            cached="cache_read_input_tokens",
            completion="output_tokens",
            cache_written="cache_creation_input_tokens",
        ),
        usd=_money(report.get("total_cost_usd")),
        calls=_count(report.get("num_turns")),
        summary=summary,
        ending=ending,
        problem=summary if ending is StopReason.ERROR else "",
    )


def read_codex(home: Path) -> AgentReport:
    """Events on standard output; the last message is the summary."""
    usage, turns, summary, problem = Usage(), 0, "", ""
    for event in _json_lines(read_home(home, STDOUT)):
        kind = event.get("type")
        if kind == "turn.completed":
            turns += 1
            counts = event.get("usage")
            usage += _usage(counts, prompt="input_tokens", cached="cached_input_tokens", completion="output_tokens")
        elif kind == "turn.failed":
            problem = _text(_part(event, "error.message")) or "the turn failed"
        elif kind == "error":
            problem = _text(event.get("message")) or problem
        elif kind == "item.completed" and _part(event, "item.type") == "agent_message":
            summary = _summary(_part(event, "item.text"))
    if not turns:
        return AgentReport(problem=problem or "no turn was completed")
    ending = StopReason.ERROR if problem else None
    return AgentReport(usage=usage, calls=turns, summary=summary, problem=problem, ending=ending)


def read_mini(home: Path) -> AgentReport:
    """Its trajectory file: the messages with the usage of each call, and how it ended."""
    report = _json_object(read_home(home, MINI_TRAJECTORY))
    info, messages = report.get("info"), report.get("messages")
    calls = _count(_part(info, "model_stats.api_calls"))
    if not calls:
        return AgentReport(usage=Usage() if info else None, problem="it asked no model")
    used = [found for message in messages or () if (found := _part(message, "extra.response.usage"))]
    names = {"prompt": "prompt_tokens", "cached": "prompt_tokens_details.cached_tokens"}
    status = _text(_part(info, "exit_status"))
    ending = _MINI_ENDINGS.get(status, StopReason.ERROR)
    return AgentReport(
        usage=sum((_usage(each, completion="completion_tokens", **names) for each in used), Usage()) if used else None,
        usd=_money(_part(info, "model_stats.instance_cost")) or None,
        calls=calls,
        summary=_summary(_part(info, "submission")) or status,
        ending=ending,
        problem=f"it ended with {status or 'no status'}" if ending is StopReason.ERROR else "",
    )


def read_opencode(home: Path) -> AgentReport:
    """Events on standard output; each finished step has its tokens and cost."""
    events = list(_json_lines(read_home(home, STDOUT)))
    steps = [event["part"] for event in events if event.get("type") == "step_finish" and event.get("part")]
    words = [_part(event, "part.text") for event in events if event.get("type") == "text"]
    errors = [event.get("error") for event in events if event.get("type") == "error"]
    problem = _text(_part(errors[-1], "data.message")) or _text(_part(errors[-1], "name")) if errors else ""
    if not steps:
        return AgentReport(problem=problem or "it asked no model")
    names = {
        "prompt": "tokens.input tokens.cache.read tokens.cache.write",
        "cached": "tokens.cache.read",
        "completion": "tokens.output tokens.reasoning",
        "cache_written": "tokens.cache.write",
    }
    return AgentReport(
        usage=sum((_usage(step, **names) for step in steps), Usage()),
        usd=sum(_money(_part(step, "cost")) or 0.0 for step in steps) or None,
        calls=len(steps),
        summary=_summary(words[-1]) if words else "",
        problem=problem,
    )


def read_command(home: Path) -> AgentReport:
    """The report of any command, as docs/agents.md describes it."""
    report = _json_object(read_home(home, COMMAND_REPORT))
    has_tokens = "prompt_tokens" in report or "completion_tokens" in report
    usage = _usage(report, prompt="prompt_tokens", cached="cached_tokens", completion="completion_tokens")
    return AgentReport(
        usage=usage if has_tokens else None,
        usd=_money(report.get("usd")),
        calls=_count(report.get("calls")),
        summary=_summary(report.get("summary")),
    )


def _json_lines(text: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON Lines text; other lines are ignored."""
    for line in text.splitlines():
        if line.lstrip().startswith("{") and (value := _parsed(line)):
            yield value


def _json_object(text: str) -> Mapping[str, Any]:
    """The object that a text is, or that stands at its end after other lines; empty when there is none."""
    return _parsed(text) or _parsed(text[text.find("\n{") + 1 :])


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _part(value: Any, path: str) -> Any:
    """A value deep in parsed JSON (`stats.models`), None when the way there doesn't exist."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _usage(counts: Any, **fields: str) -> Usage:
    """Usage whose fields are each the sum of the counts at the paths named."""
    return Usage(
        **{field: sum(_count(_part(counts, path)) for path in paths.split()) for field, paths in fields.items()}
    )


def _count(value: Any) -> int:
    """A count that a program reported: never negative, zero if it is no number."""
    return int(_money(value, most=1 << 53) or 0)


def _money(value: Any, *, most: float = 1e6) -> float | None:
    """An amount that a program reported, None if it is no amount."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < most else None


def _text(value: Any) -> str:
    """A text that a program reported, empty if it is no text."""
    return value if isinstance(value, str) else ""


def _summary(value: Any) -> str:
    return _text(value).strip()[:_LONGEST_SUMMARY]
