"""The direct client against the scripted server."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitmimo.errors import BadReply, ConfigError, ContextOverflow, NoKey, NoRoute, RateLimited, UnknownModel, WrongKey
from gitmimo.llm.connection import Timeouts
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.model import ChatRequest, RemoteModel, RetryPolicy
from gitmimo.llm.routing import Settings, open_model
from gitmimo.records import Message, Tool, ToolCall
from tests.llm.asking import ask
from tests.scripted_server import Answer, Fault, ScriptedServer

QUICK = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.5)
HELLO = (Message(role="system", content="be brief"), Message(role="user", content="héllo"))
ADD = Tool(name="add", description="adds", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})
LOCAL = LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere"))


@pytest.fixture
def opened(llm_server: ScriptedServer) -> Callable[..., RemoteModel]:
    def open_it(name: str = "openai/m", *, read_s: float = 5.0, total_s: float = 20.0, key: str = "k") -> RemoteModel:
        settings = Settings(
            environ={"OPENAI_API_BASE": llm_server.base_url, "OPENAI_API_KEY": "k"},
            key_for=lambda provider: None,
            local=LOCAL,
            retries=QUICK,
            timeouts=Timeouts(read_s=read_s, total_s=total_s),
        )
        return open_model(name, settings)

    return open_it


Opened = Callable[..., RemoteModel]


def test_a_streamed_reply_comes_whole_with_its_usage(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = ["hello world, this is a reply"]
    heard: list[str] = []
    reply = ask(opened(), HELLO, temperature=0.2, seed=7, stop=("END",), on_text=heard.append)
    assert reply.text == "hello world, this is a reply" == "".join(heard)
    assert len(heard) > 1
    assert (reply.finish_reason, reply.usage_known, reply.model) == ("stop", True, "openai/m")
    assert (reply.usage.prompt, reply.usage.completion) == (llm_server.requests[0].prompt_tokens, 7)
    body = llm_server.requests[0].body
    assert (body["temperature"], body["seed"], body["stop"], body["max_tokens"]) == (0.2, 7, ["END"], 8192)
    assert body["messages"][1] == {"role": "user", "content": "héllo"}
    assert llm_server.requests[0].headers["authorization"] == "Bearer k"


def test_tool_calls_are_put_together_from_their_deltas(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(tool_calls=(("add", '{"a": 1}'), ("add", '{"a": 22}')))]
    reply = ask(opened(), HELLO, tools=(ADD,))
    assert reply.tool_calls == (
        ToolCall(id="call_0", name="add", arguments='{"a": 1}'),
        ToolCall(id="call_1", name="add", arguments='{"a": 22}'),
    )
    assert reply.finish_reason == "tool_calls"
    assert llm_server.requests[0].body["tools"][0]["function"]["name"] == "add"


def test_tool_messages_go_out_as_the_protocol_wants_them(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = ["done"]
    call = ToolCall(id="c1", name="add", arguments="{}")
    ask(
        opened(),
        (
            *HELLO,
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="3", tool_call_id="c1"),
        ),
    )
    assert llm_server.requests[0].messages[2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
    ]


def test_connections_are_kept(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="x", repeat=True)]
    model = opened()
    for _ in range(5):
        ask(model, HELLO)
    assert llm_server.connections == 1
    model.close()


def test_a_grown_history_is_a_prefix_already_sent(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = ["a" * 400, "b"]
    model = opened()
    first = ask(model, HELLO)
    reply = ask(model, (*HELLO, Message(role="assistant", content=first.text), Message(role="user", content="go on")))
    second = llm_server.requests[1]
    assert second.prefix_bytes >= len(llm_server.requests[0].prompt) - 2
    assert reply.usage.cached == second.prefix_bytes // 4


def test_missing_usage_is_estimated_and_said_so(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="x" * 40, usage=False)]
    reply = ask(opened(), HELLO)
    assert not reply.usage_known
    assert reply.usage.completion == 10


def test_rate_limits_and_server_faults_are_waited_out(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [
        Answer(status=429, text="slow down", headers={"Retry-After": "0.3"}),
        Answer(status=500, text="oops"),
        Answer(status=503, text="oops"),
        "fine",
    ]
    assert ask(opened(), HELLO).text == "fine"
    times = [request.at for request in llm_server.requests]
    assert times[1] - times[0] >= 0.3


def test_a_rate_limit_that_stays_is_told(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=429, text="slow down", repeat=True)]
    with pytest.raises(RateLimited, match="slow down"):
        ask(opened(), HELLO)
    assert len(llm_server.requests) == QUICK.attempts


def test_a_longer_wait_than_allowed_ends_at_once(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=429, text="come back tomorrow", headers={"Retry-After": "86400"})]
    with pytest.raises(RateLimited):
        ask(opened(), HELLO)
    assert len(llm_server.requests) == 1


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.WRONG_JSON, Fault.NOT_A_REPLY, Fault.ERROR_MIDWAY])
def test_a_broken_answer_is_asked_for_again_as_a_whole(
    opened: Opened, llm_server: ScriptedServer, fault: Fault
) -> None:
    broken = Answer(text="half of " * 9, fault=fault)
    llm_server.scripts["m"] = [broken, "the whole", broken, broken, broken]
    assert ask(opened(), HELLO).text == "the whole"
    with pytest.raises(BadReply):
        ask(opened(), HELLO)


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_MIDWAY])
def test_a_silent_server_is_left(opened: Opened, llm_server: ScriptedServer, fault: Fault) -> None:
    llm_server.scripts["m"] = [Answer(text="x" * 99, fault=fault), "awake"]
    assert ask(opened(read_s=0.2), HELLO).text == "awake"


def test_an_endless_trickle_ends_at_the_wall_clock(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(fault=Fault.ENDLESS), "short"]
    assert ask(opened(total_s=0.5), HELLO, max_tokens=20).text == "short"


def test_a_server_that_ignores_the_limit_is_cut_there(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(fault=Fault.BABBLE)]
    reply = ask(opened(), HELLO, max_tokens=20)
    assert (reply.finish_reason, reply.text.count("bla"), reply.usage_known) == ("length", 21, False)


def test_a_cancelled_call_returns_what_came(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="first half, second half", fault=Fault.HANG_MIDWAY)]
    stop = threading.Event()
    reply = ask(opened(), HELLO, on_text=lambda text: stop.set(), cancelled=stop.is_set)
    assert reply.finish_reason == "cancelled"
    assert reply.text
    assert not reply.usage_known


def test_cancelling_ends_the_wait_between_attempts(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=429, headers={"Retry-After": "0.4"}, repeat=True)]
    reply = ask(opened(), HELLO, cancelled=lambda: bool(llm_server.answered))
    assert reply.finish_reason == "cancelled"
    assert len(llm_server.requests) == 1


def test_a_connection_that_the_server_closed_is_replaced(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="a", headers={"Connection": "close"}), "b"]
    model = opened()
    assert [ask(model, HELLO).text, ask(model, HELLO).text] == ["a", "b"]
    assert len(llm_server.requests) == 2


def test_fields_that_a_server_refuses_are_left_out_from_then_on(opened: Opened, llm_server: ScriptedServer) -> None:
    def picky(request: object) -> Answer:
        body = request.body  # type: ignore[attr-defined]
        for name in ("stream_options", "max_tokens"):
            if name in body:
                return Answer(status=400, text=f"Unsupported parameter: '{name}' is not supported with this model.")
        return Answer(text="fine")

    llm_server.scripts["m"] = picky
    model = opened()
    assert ask(model, HELLO).text == "fine"
    assert ask(model, HELLO).text == "fine"
    assert len(llm_server.requests) == 4
    assert llm_server.requests[-1].body["max_completion_tokens"] == 8192


def test_errors_are_told_in_the_users_words(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["full"] = [
        Answer(status=400, text="This model's maximum context length is 8192 tokens, you requested 9000")
    ]
    llm_server.scripts["poor"] = [Answer(status=402, text="Insufficient Balance")]
    with pytest.raises(UnknownModel, match="no model named `openai/other`"):
        ask(opened("openai/other"), HELLO)
    with pytest.raises(ContextOverflow, match="maximum context length"):
        ask(opened("openai/full"), HELLO)
    with pytest.raises(RateLimited, match="out of credit"):
        ask(opened("openai/poor"), HELLO)
    llm_server.key = "right"
    with pytest.raises(WrongKey) as caught:
        ask(opened("openai/m"), HELLO)
    assert caught.value.hint == "git mimo config set --provider openai --api-key KEY"


def test_a_server_that_is_down_gives_no_route() -> None:
    settings = Settings(
        environ={}, key_for=lambda provider: "k", local=LOCAL, base_url="http://127.0.0.1:9/v1", retries=QUICK
    )
    with pytest.raises(NoRoute, match=r"127\.0\.0\.1:9"):
        ask(open_model("openai/m", settings), HELLO)


def test_a_key_that_the_server_repeats_is_not_shown(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=400, text="bad key sk-very-secret given")]
    settings = Settings(
        environ={"OPENAI_API_KEY": "sk-very-secret"},
        key_for=lambda provider: None,
        local=LOCAL,
        base_url=llm_server.base_url,
    )
    with pytest.raises(BadReply, match=r"bad key \*\*\* given"):
        ask(open_model("openai/m", settings), HELLO)


@pytest.mark.parametrize(
    ("listed", "window", "is_small"),
    [
        ({"max_model_len": 65_536}, 65_536, False),  # vLLM, SGLang
        ({"context_length": 131_072}, 131_072, False),  # OpenRouter
        ({"owned_by": "llamacpp", "meta": {"n_ctx": 16_384, "n_params": 1_543_714_304}}, 16_384, True),
        ({}, 32_768, False),
    ],
)
def test_the_server_is_asked_for_what_the_price_map_does_not_know(
    opened: Opened, llm_server: ScriptedServer, listed: dict[str, object], window: int, is_small: bool
) -> None:
    llm_server.scripts |= {"m": ["x"], "other": ["y"]}
    llm_server.listed["m"] = listed
    info = opened().info
    assert (info.window, info.is_small, info.is_window_known) == (window, is_small, bool(listed))
    assert info.max_output == 8192
    assert info.accepts_prefill is (listed.get("owned_by") == "llamacpp")


def test_a_reply_may_have_what_the_model_gives_within_reason(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts |= {"gpt-5-mini": ["x"], "m": ["x"]}
    opened("openai/gpt-5-mini").complete(ChatRequest(messages=HELLO))
    assert llm_server.requests[0].body["max_tokens"] == 32_768  # the price map says 128,000
    opened().complete(ChatRequest(messages=HELLO, max_tokens=100_000))
    assert llm_server.requests[1].body["max_tokens"] == 8192


def test_a_reply_is_as_long_as_the_account_affords(opened: Opened, llm_server: ScriptedServer) -> None:
    poor = "This request requires more credits, or fewer max_tokens. You asked for 8192 tokens, but can only afford"
    llm_server.scripts["m"] = [Answer(status=402, text=f"{poor} 1500."), "short"]
    assert ask(opened(), HELLO).text == "short"
    assert [request.body["max_tokens"] for request in llm_server.requests] == [8192, 1500]
    llm_server.scripts["poor"] = [Answer(status=402, text=f"{poor} 20.", repeat=True)]
    with pytest.raises(RateLimited, match="out of credit"):
        ask(opened("openai/poor"), HELLO)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_that_is_none_is_told_before_anything_is_sent(llm_server: ScriptedServer, key: str) -> None:
    settings = Settings(environ={}, key_for=lambda provider: key, local=LOCAL, base_url=llm_server.base_url)
    with pytest.raises(WrongKey, match="contains characters that no key has"):
        open_model("openai/m", settings)


def test_an_impossible_port_is_told() -> None:
    settings = Settings(environ={}, key_for=lambda provider: "k", local=LOCAL, base_url="http://localhost:99999/v1")
    with pytest.raises(ConfigError, match="not an address"):
        open_model("openai/m", settings)


def test_a_stream_is_asked_for_uncompressed(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = ["x"]
    ask(opened(), HELLO)
    assert llm_server.requests[0].headers["accept-encoding"] == "identity"


def test_no_key_is_told_before_anything_is_sent() -> None:
    settings = Settings(environ={}, key_for=lambda provider: None, local=LOCAL)
    for name, provider in (("deepseek/deepseek-chat", "deepseek"), ("kimi", "moonshot"), ("gpt-5", "openai")):
        with pytest.raises(NoKey) as caught:
            open_model(name, settings)
        assert f"--provider {provider} --api-key" in caught.value.hint
