"""The protocol every language model obeys, and the scripted model that tests use."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gitmimo.errors import BadReply
from gitmimo.records import Message, Reply, Tool, Usage


class Model(Protocol):
    """A language model behind one route. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """The model as litellm names it, for example `deepseek/deepseek-chat` or `local/qwen2.5-coder-1.5b`."""

    @property
    def window(self) -> int:
        """How many tokens prompt and reply may have together."""

    @property
    def supports_tools(self) -> bool:
        """Whether native function calls can be trusted; small local models say no."""

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        temperature: float | None = None,
        max_tokens: int = 4096,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Reply:
        """Answer a conversation.

        `on_text` gets the text as it streams. When `cancelled` turns true the stream is cut and what came is
        returned with `finish_reason="cancelled"`. Raises a ModelError after retries, LimitReached when a budget is in
        the way.
        """


class ScriptedModel:
    """Answers with a fixed queue: texts, whole replies, exceptions to raise, or functions of the messages."""

    supports_tools = True

    def __init__(
        self,
        replies: Iterable[str | Reply | Exception | Callable[[Sequence[Message]], str | Reply]],
        *,
        name: str = "scripted/model",
        window: int = 32_768,
        supports_tools: bool = True,
    ) -> None:
        self.name = name
        self.window = window
        self.supports_tools = supports_tools
        self.calls: list[tuple[Message, ...]] = []
        self._replies = list(replies)
        self._lock = threading.Lock()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        temperature: float | None = None,
        max_tokens: int = 4096,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Reply:
        """Return the next of the queue; BadReply when it is empty."""
        with self._lock:
            self.calls.append(tuple(messages))
            if not self._replies:
                raise BadReply("the scripted model has no reply left")
            entry = self._replies.pop(0)
        if isinstance(entry, Exception):
            raise entry
        answer = entry(messages) if callable(entry) else entry
        if isinstance(answer, Reply):
            return answer
        prompt = sum(len(message.content) for message in messages) // 4
        return Reply(text=answer, usage=Usage(prompt=prompt, completion=len(answer) // 4), model=self.name)
