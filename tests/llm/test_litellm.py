"""The real litellm against the scripted server, and every one of its errors in our words."""

import inspect
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitmimo.errors import BadReply, ContextOverflow, ModelError, NoRoute, UnknownModel, WrongKey
from gitmimo.llm.connection import Timeouts
from gitmimo.llm.litellm_client import LitellmBackend, failure_of, import_litellm, mark_for_cache
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.model import AttemptFailed, ChatRequest, RemoteModel, RetryPolicy
from gitmimo.llm.routing import Settings, open_model, uses_litellm, warm_up
from gitmimo.records import Message
from tests.llm.asking import ask
from tests.scripted_server import Answer, Fault, ScriptedServer

HELLO = (Message(role="system", content="be brief"), Message(role="user", content="hello"))
LOCAL = LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere"))
Opened = Callable[..., RemoteModel]


def through_litellm(base_url: str, *, read_s: float = 10.0) -> Settings:
    return Settings(
        environ={"OPENAI_API_BASE": base_url, "OPENAI_API_KEY": "k"},
        key_for=lambda provider: None,
        local=LOCAL,
        only_litellm=True,
        retries=RetryPolicy(first_wait_s=0.01, longest_wait_s=0.5),
        timeouts=Timeouts(read_s=read_s, total_s=30),
    )


@pytest.fixture
def opened(llm_server: ScriptedServer) -> Opened:
    def open_it(name: str = "openai/m", *, read_s: float = 10.0) -> RemoteModel:
        return open_model(name, through_litellm(llm_server.base_url, read_s=read_s))

    return open_it


def test_a_reply_comes_through_litellm(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = ["hello world, this is a reply"]
    heard: list[str] = []
    reply = ask(opened(), HELLO, temperature=0.2, on_text=heard.append)
    assert reply.text == "hello world, this is a reply" == "".join(heard)
    assert (reply.finish_reason, reply.usage_known) == ("stop", True)
    assert (reply.usage.prompt, reply.usage.completion) == (llm_server.requests[0].prompt_tokens, 7)


def test_our_coordinator_repeats_not_litellms(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [
        Answer(status=429, text="slow down", headers={"Retry-After": "0.3"}),
        Answer(status=500, text="oops"),
        "fine",
    ]
    assert ask(opened(), HELLO).text == "fine"
    times = [request.at for request in llm_server.requests]
    assert len(times) == 3
    assert times[1] - times[0] >= 0.3


def test_broken_answers_are_asked_for_again(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [
        Answer(text="half of " * 9, fault=Fault.CUT),
        Answer(fault=Fault.WRONG_JSON),
        "the whole",
    ]
    assert ask(opened(), HELLO).text == "the whole"


def test_a_silent_server_is_left(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="x" * 99, fault=Fault.HANG_MIDWAY), "awake"]
    assert ask(opened(read_s=2), HELLO).text == "awake"


def test_a_cancelled_call_returns_what_came(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(text="first half, second half", fault=Fault.HANG_MIDWAY)]
    stop = threading.Event()
    reply = ask(opened(read_s=2), HELLO, on_text=lambda text: stop.set(), cancelled=stop.is_set)
    assert (reply.finish_reason, reply.usage_known) == ("cancelled", False)
    assert reply.text


def test_errors_are_told_in_the_users_words(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["full"] = [
        Answer(status=400, text="This model's maximum context length is 8192 tokens, you requested 9000")
    ]
    with pytest.raises(UnknownModel):
        ask(opened("openai/other"), HELLO)
    with pytest.raises(ContextOverflow):
        ask(opened("openai/full"), HELLO)
    llm_server.key = "right"
    with pytest.raises(WrongKey):
        ask(opened(), HELLO)
    with pytest.raises(NoRoute):
        ask(open_model("openai/m", through_litellm("http://127.0.0.1:9/v1")), HELLO)


def test_a_provider_that_nobody_knows_is_told() -> None:
    backend = LitellmBackend("nosuchprovider/x", key="k", base_url="", timeouts=Timeouts())
    with pytest.raises(AttemptFailed, match="nosuchprovider"):
        backend.send(ChatRequest(messages=HELLO))


def test_every_exception_of_litellm_has_a_translation() -> None:
    litellm = import_litellm()
    kinds = {
        kind
        for kind in (*vars(litellm.exceptions).values(), *litellm.LITELLM_EXCEPTION_TYPES)
        if inspect.isclass(kind) and issubclass(kind, Exception) and "litellm" in kind.__module__
    }
    assert len(kinds) > 20
    for kind in kinds:
        error = kind.__new__(kind)
        error.message = "something went wrong"
        failed = failure_of(error, model="openai/m", begun=False)
        assert isinstance(failed.error, ModelError)
        assert failed.error.message


def test_what_is_not_in_the_table_is_told_with_its_name() -> None:
    failed = failure_of(KeyError("choices"), model="m/x", begun=True)
    assert isinstance(failed.error, BadReply)
    assert "KeyError" in failed.error.message
    assert failed.charged


def test_cache_marks_stand_on_the_prefix_and_on_the_newest_message() -> None:
    roles = (("system", "s"), ("user", "task"), ("assistant", "a"), ("user", "u"))
    messages: list[dict[str, object]] = [{"role": role, "content": content} for role, content in roles]
    mark_for_cache(messages)
    marked = [isinstance(message["content"], list) for message in messages]
    assert marked == [True, True, False, True]
    assert messages[0]["content"] == [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]


def test_warming_up_imports_only_what_will_be_used() -> None:
    thread = warm_up("anthropic/claude-sonnet-5", through_litellm("http://127.0.0.1:9/v1"))
    thread.join()
    assert "litellm" in sys.modules
    direct = Settings(environ={}, key_for=lambda provider: None, local=LOCAL)
    assert uses_litellm("anthropic/claude-sonnet-5", direct)
    assert not uses_litellm("deepseek/deepseek-chat", direct)
    assert not uses_litellm("local", direct)


def test_calls_from_several_threads_do_not_mix(opened: Opened, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = lambda request: str(request.messages[-1]["content"]) * 3
    model = opened()
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        request = ChatRequest(messages=(Message(role="user", content=f"<{number}>"),))
        found[number] = model.backend.send(request).text

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"<{n}>" * 3 for n in range(4)}
