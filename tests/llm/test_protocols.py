"""Recorded answers in the providers' documented formats, and what goes back to them in the next request."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from gitmimo.errors import BadReply, ContextOverflow, RateLimited
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.model import RemoteModel, RetryPolicy
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import Message, Reply, Tool
from tests.llm.asking import ask
from tests.llm.replay import ReplayServer

SYSTEM = Message(role="system", content="You work in a shell.")
ASK = Message(role="user", content="Where are the tests?")
SHELL = Tool(
    name="shell",
    description="runs a command",
    parameters={"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)
MODELS: Mapping[str, tuple[str, str, str]] = {  # model, variable of its address, what the address ends in
    "openai": ("openai/gpt-5.4-mini", "OPENAI_API_BASE", "/v1"),
    "deepseek": ("deepseek/deepseek-v4-flash", "DEEPSEEK_API_BASE", "/v1"),
    "groq": ("groq/openai/gpt-oss-120b", "GROQ_API_BASE", "/openai/v1"),
    "kimi": ("moonshot/kimi-k2.7-code", "MOONSHOT_API_BASE", "/v1"),
    "anthropic": ("anthropic/claude-sonnet-5", "ANTHROPIC_API_BASE", ""),
    "gemini": ("gemini/gemini-3.5-flash", "GEMINI_API_BASE", ""),
    "ollama": ("ollama/qwen3:8b", "OLLAMA_API_BASE", ""),
}
Replayed = Callable[..., tuple[RemoteModel, ReplayServer]]


@pytest.fixture
def replayed() -> Iterator[Replayed]:
    with ExitStack() as stack:

        def start(*names: str) -> tuple[RemoteModel, ReplayServer]:
            server = stack.enter_context(ReplayServer(*names))
            name, variable, ending = MODELS[names[0].partition("_")[0]]
            settings = Settings(
                environ={variable: server.url + ending},
                key_for=lambda provider: "k",
                local=LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere")),
                retries=RetryPolicy(first_wait_s=0.01, longest_wait_s=0.5, attempts=3),
                windows={name: 100_000},
            )
            model = open_model(name, settings)
            stack.callback(model.close)
            return model, server

        yield start


def calls_of(reply: Reply) -> list[tuple[str, str]]:
    return [(call.name, json.loads(call.arguments)["command"]) for call in reply.tool_calls]


def go_on(model: RemoteModel, reply: Reply) -> Reply:
    """The next request of the same turn: the reply, and a result for each of its calls."""
    answer = Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls, reasoning=reply.reasoning)
    results = [Message(role="tool", content="ok", tool_call_id=call.id) for call in reply.tool_calls]
    return ask(model, (SYSTEM, ASK, answer, *results), tools=(SHELL,))


@pytest.mark.parametrize(
    ("name", "calls", "prompt", "cached", "completion"),
    [
        ("openai_parallel_calls", ["git status", "ls"], 2006, 1920, 300),
        ("deepseek_thinking_call", ["ls tests"], 1200, 1088, 80),
        ("anthropic_thinking_call", ["ls tests", "git log"], 2012, 1800, 89),
        ("gemini_parallel_calls", ["ls tests", "git log"], 1500, 1024, 100),
        ("ollama_thinking_calls", ["ls tests", "git log"], 900, 0, 50),
    ],
)
def test_calls_come_apart_with_what_they_cost(
    replayed: Replayed, name: str, calls: list[str], prompt: int, cached: int, completion: int
) -> None:
    reply = ask(replayed(name)[0], (SYSTEM, ASK), tools=(SHELL,))
    assert calls_of(reply) == [("shell", command) for command in calls]
    assert len({call.id for call in reply.tool_calls}) == len(calls)
    assert reply.finish_reason == "tool_calls"
    usage = reply.usage
    assert (usage.prompt, usage.cached, usage.completion, reply.usage_known) == (prompt, cached, completion, True)


def test_tokens_written_to_anthropics_cache_are_counted(replayed: Replayed) -> None:
    assert ask(replayed("anthropic_text")[0], (SYSTEM, ASK)).usage.cache_written == 200


def test_deepseek_gets_its_thoughts_back_within_the_turn(replayed: Replayed) -> None:
    model, server = replayed("deepseek_thinking_call")
    reply = ask(model, (SYSTEM, ASK), tools=(SHELL,))
    assert reply.text == "I look at the tests."
    go_on(model, reply)
    assert server.bodies[1]["messages"][2]["reasoning_content"] == "The tests are in tests/. I look."


def test_anthropic_gets_its_signed_thoughts_back_before_the_calls(replayed: Replayed) -> None:
    model, server = replayed("anthropic_thinking_call", "anthropic_text")
    assert go_on(model, ask(model, (SYSTEM, ASK), tools=(SHELL,))).text == "fine"
    assert server.paths == ["/v1/messages"] * 2
    answer, results = server.bodies[1]["messages"][1:]
    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert answer["content"][0]["thinking"] == "The tests are in tests/."
    assert answer["content"][0]["signature"] == "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"
    assert [block["tool_use_id"] for block in results["content"]] == ["toolu_01A", "toolu_01B"]
    assert server.bodies[1]["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_gemini_gets_the_signature_of_its_call_back(replayed: Replayed) -> None:
    model, server = replayed("gemini_parallel_calls", "gemini_text")
    assert go_on(model, ask(model, (SYSTEM, ASK), tools=(SHELL,))).text == "fine"
    parts = [part for content in server.bodies[1]["contents"] for part in content["parts"]]
    signed = [part for part in parts if part.get("thoughtSignature")]
    assert [part["thoughtSignature"] for part in signed] == ["CvkBAdHtim9zaWduYXR1cmU="]
    names = [part["functionResponse"]["name"] for part in parts if "functionResponse" in part]
    names += [part["function_response"]["name"] for part in parts if "function_response" in part]
    assert names == ["shell", "shell"]


def test_kimis_usage_inside_the_choice_is_read(replayed: Replayed) -> None:
    reply = ask(replayed("kimi_usage_in_choice")[0], (SYSTEM, ASK))
    assert (reply.text, reply.usage.prompt, reply.usage.cached) == ("fine", 900, 768)


@pytest.mark.parametrize("name", ["openai_refusal", "anthropic_refusal", "gemini_safety"])
def test_a_refusal_is_told_as_one(replayed: Replayed, name: str) -> None:
    reply = ask(replayed(name)[0], (SYSTEM, ASK))
    assert reply.finish_reason == "refusal"
    assert "can't" in reply.text or name == "gemini_safety"


@pytest.mark.parametrize("name", ["openai_truncated_call", "anthropic_truncated_call", "gemini_truncated"])
def test_what_the_limit_cut_ends_with_length(replayed: Replayed, name: str) -> None:
    reply = ask(replayed(name)[0], (SYSTEM, ASK), tools=(SHELL,))
    assert reply.finish_reason == "length"
    assert "def f" in reply.text or "def f" in reply.tool_calls[0].arguments


@pytest.mark.parametrize("name", ["openai_overflow", "deepseek_overflow", "anthropic_overflow", "gemini_overflow"])
def test_a_prompt_that_is_too_long_is_told_as_that(replayed: Replayed, name: str) -> None:
    model, server = replayed(name)
    with pytest.raises(ContextOverflow):
        ask(model, (SYSTEM, ASK))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("anthropic_overloaded", "anthropic_text"), "fine"),
        (("anthropic_error_midway", "anthropic_text"), "fine"),
        (("deepseek_busy", "deepseek_thinking_call"), "I look at the tests."),
        (("openai_rate_limit", "openai_refusal"), "I'm sorry, I can't help with that."),
        (("gemini_rate_limit", "gemini_text"), "fine"),
    ],
)
def test_a_loaded_server_is_asked_again(replayed: Replayed, names: tuple[str, ...], text: str) -> None:
    model, server = replayed(*names)
    assert ask(model, (SYSTEM, ASK), tools=(SHELL,)).text == text
    assert len(server.bodies) == 2


@pytest.mark.parametrize("name", ["openai_no_quota", "anthropic_no_credit"])
def test_an_empty_account_is_not_asked_again(replayed: Replayed, name: str) -> None:
    model, server = replayed(name)
    with pytest.raises(RateLimited, match="out of credit"):
        ask(model, (SYSTEM, ASK))
    assert len(server.bodies) == 1


def test_groq_is_asked_for_what_a_minute_allows(replayed: Replayed) -> None:
    model, server = replayed("groq_too_large", "groq_text")
    asked = model.info.max_output
    assert ask(model, (SYSTEM, ASK)).text == "fine, and done"
    assert [body["max_tokens"] for body in server.bodies] == [asked, asked - 25_150]


def test_an_error_of_ollama_in_the_middle_is_told(replayed: Replayed) -> None:
    with pytest.raises(BadReply, match="runner process has terminated"):
        ask(replayed("ollama_error_midway")[0], (SYSTEM, ASK))


def test_a_parameter_that_is_not_supported_is_left_out(replayed: Replayed) -> None:
    model, server = replayed("deepseek_busy", "openai_unsupported", "deepseek_thinking_call")
    ask(model, (SYSTEM, ASK), tools=(SHELL,), temperature=0.5)
    assert ["temperature" in body for body in server.bodies] == [True, True, False]
