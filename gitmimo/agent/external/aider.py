"""aider: edits files by text blocks, runs the tests itself, and repairs at most three times."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gitmimo.agent.external.adapter import (
    RULES,
    TASK,
    Adapter,
    AgentReport,
    AgentRequest,
    AgentRun,
    Launch,
    count,
    json_lines,
    money,
    text,
)
from gitmimo.records import Usage

_EVENTS = "events.jsonl"
_MODELS = "models.yml"
_OPTIONS = (
    *("--yes-always", "--no-pretty", "--no-stream", "--no-fancy-input", "--no-suggest-shell-commands"),
    *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore"),
    *("--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--no-analytics"),
    *("--no-detect-urls", "--disable-playwright"),
)
_MOST_FILES = 4
# its cache of prices, so that it does not download them anew in every private home; litellm's own map stays
_PRICES = ".aider/caches/model_prices_and_context_window.json"
_NO_PRICES = '{"none": {}}'


def _launch(request: AgentRequest) -> Launch:
    endpoint = request.endpoint
    files = {TASK: request.prompt, _PRICES: _NO_PRICES}
    arguments = ["--model", endpoint.litellm_name, "--message-file", request.at(TASK), *_OPTIONS]
    # only this log has exact counts; nothing is sent anywhere
    arguments += ["--analytics-log", request.at(_EVENTS)]
    arguments += ["--input-history-file", request.at("input.log"), "--chat-history-file", request.at("chat.md")]
    if endpoint.is_small:
        # a small model writes whole files well and diffs badly, and needs its window for them
        settings = {
            "name": endpoint.litellm_name,
            "edit_format": "whole",
            "use_repo_map": False,
            "extra_params": {"max_tokens": request.max_output_tokens},
        }
        files[_MODELS] = json.dumps([settings])
        arguments += ["--model-settings-file", request.at(_MODELS), "--edit-format", "whole", "--map-tokens", "0"]
    if request.rules:
        files[RULES] = request.rules
        arguments += ["--read", request.at(RULES)]
    if request.test_command:
        arguments += ["--test-cmd", request.test_command, "--auto-test"]
    for path in request.files[:_MOST_FILES]:
        arguments += ["--file", path]
    return Launch(arguments=arguments, files=files, env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"})


def _read(run: AgentRun) -> AgentReport:
    events = list(json_lines(run.read(_EVENTS)))
    sent = _named(events, "message_send")
    if not sent:
        broken = _named(events, "message_send_exception")
        problem = text(broken[-1].get("exception")) if broken else "it asked no model"
        return AgentReport(usage=Usage() if events and not broken else None, problem=problem)
    usage = Usage(
        prompt=sum(count(event.get("prompt_tokens")) for event in sent),
        completion=sum(count(event.get("completion_tokens")) for event in sent),
    )
    # it says 0 for models whose price it doesn't know
    usd = sum(money(event.get("cost")) or 0.0 for event in sent) or None
    return AgentReport(usage=usage, usd=usd, calls=len(sent), summary=_last_words(run.stdout))


def _named(events: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The properties of the events of one name."""
    return [
        found for event in events if event.get("event") == name and isinstance(found := event.get("properties"), dict)
    ]


def _last_words(stdout: str) -> str:
    lines = [line.strip() for line in stdout.splitlines() if line.strip() and not line.startswith("Tokens:")]
    return " ".join(lines[-3:])[:300]


ADAPTER = Adapter(
    name="aider",
    program="aider",
    install="pip install aider-chat",
    source="aider.chat/docs/config/options.html, aider.chat/docs/scripting.html",
    tested="real",
    launch=_launch,
    read=_read,
    leftovers=(".aider*",),
    wants_files=True,
    exit_codes={1: "bad options, or the repository could not be used"},
)
