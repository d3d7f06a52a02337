"""What a model thought goes back to providers that want it, within the turn, and costs its tokens nowhere else."""

import json
from pathlib import Path
from typing import Any

from gitmimo.llm.chat_format import ReplyBuilder, messages_json
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.model import ChatRequest
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import Message, Reply, ToolCall
from tests.llm.asking import ask
from tests.scripted_server import Answer, ScriptedServer

ASK = Message(role="user", content="do it")
LOCAL = LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere"))
THOUGHT = "Let me think. " * 1750  # 24 kB


def settings(server: ScriptedServer) -> Settings:
    environ = {"DEEPSEEK_API_BASE": server.base_url, "OPENAI_API_BASE": server.base_url}
    return Settings(environ=environ, key_for=lambda provider: "k", local=LOCAL)


def as_message(reply: Reply) -> Message:
    return Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls, reasoning=reply.reasoning)


def result(number: int) -> Message:
    return Message(role="tool", content=f"result {number}", tool_call_id=f"c{number}")


def build(*deltas: dict[str, Any], keeps: bool = True) -> Reply:
    builder = ReplyBuilder(keeps_reasoning=keeps)
    for delta in deltas:
        builder.add({"choices": [{"delta": delta}]})
    builder.finish_reason = "stop"
    return builder.build(ChatRequest(messages=(ASK,)), model="m", seconds=0)


def test_24_kilobytes_of_thought_in_the_text_cost_their_tokens_once(llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [f"<think>{THOUGHT}</think>\n\nI begin.", "fine"]
    model = open_model("openai/m", settings(llm_server))
    first = ask(model, (ASK,))
    assert first.text == "I begin."
    assert first.usage.completion > 6_000
    ask(model, (ASK, as_message(first), ASK))
    assert llm_server.requests[1].prompt_tokens < 100


def test_thoughts_of_a_field_go_back_within_the_turn_and_not_after_it(llm_server: ScriptedServer) -> None:
    call = Answer(reasoning="I must add.", tool_calls=(("add", "{}"),))
    llm_server.scripts["m"] = [call, "three", "bye"]
    model = open_model("deepseek/m", settings(llm_server))
    first = ask(model, (ASK,))
    turn = (ASK, as_message(first), result(0))
    second = ask(model, turn)
    assert llm_server.requests[1].messages[1]["reasoning_content"] == "I must add."
    ask(model, (*turn, as_message(second), Message(role="user", content="next")))
    assert not any("reasoning_content" in message for message in llm_server.requests[2].messages)


def test_a_provider_that_wants_no_thoughts_gets_none(llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(reasoning=THOUGHT, text="three"), "bye"]
    model = open_model("openai/m", settings(llm_server))
    first = ask(model, (ASK,))
    assert (first.text, first.reasoning) == ("three", "")


def test_signed_blocks_of_anthropic_come_together_and_keep_their_signature() -> None:
    def block(**fields: Any) -> dict[str, Any]:
        return {"thinking_blocks": [{"type": "thinking", "signature": None, **fields}]}

    reply = build(
        block(thinking="I must "),
        block(thinking="add."),
        block(thinking="", signature="sig1"),
        block(thinking="And then stop."),
        block(thinking="", signature="sig2"),
        {"content": "three"},
    )
    assert json.loads(reply.reasoning) == {
        "thinking_blocks": [
            {"type": "thinking", "thinking": "I must add.", "signature": "sig1"},
            {"type": "thinking", "thinking": "And then stop.", "signature": "sig2"},
        ]
    }
    assert messages_json((ASK, as_message(reply)), reasoning=True)[1]["thinking_blocks"][0]["signature"] == "sig1"


def test_details_of_openrouter_come_together_by_index() -> None:
    pieces: list[dict[str, Any]] = [
        {"type": "reasoning.text", "text": "I must ", "index": 0},
        {"type": "reasoning.text", "text": "add.", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz", "index": 1},
    ]
    reply = build(*({"reasoning_details": [piece]} for piece in pieces), {"content": "three"})
    assert [block.get("text") or block.get("data") for block in json.loads(reply.reasoning)["reasoning_details"]] == [
        "I must add.",
        "xyz",
    ]


def test_a_thought_that_never_ends_is_no_text() -> None:
    assert build({"content": "<think>and so on"}).text == ""
    assert build({"content": "a <think> mark in the middle"}).text == "a <think> mark in the middle"


def test_function_calls_and_thoughts_do_not_share_a_message_of_a_later_turn() -> None:
    old = Message(
        role="assistant",
        content="",
        tool_calls=(ToolCall(id="c0", name="add", arguments="{}"),),
        reasoning='{"reasoning_content": "old"}',
    )
    sent = messages_json((ASK, old, result(0), ASK, old, result(0)), reasoning=True)
    assert ["reasoning_content" in message for message in sent] == [False, False, False, False, True, False]
