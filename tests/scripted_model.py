"""A model that answers from a fixed queue; obeys the protocols of models and of backends."""

import threading
from collections.abc import Callable, Iterable, Sequence

from gitmimo.errors import BadReply, ModelError
from gitmimo.llm.model import AttemptFailed, ChatRequest, ModelInfo
from gitmimo.records import Message, Reply, Usage


class ScriptedModel:
    """Answers with texts, whole replies, exceptions to raise, or functions of the messages.

    One of a name like `local/x` is small and goes on from a begun answer, as the embedded model does.
    """

    def __init__(
        self,
        replies: Iterable[str | Reply | Exception | Callable[[Sequence[Message]], str | Reply]],
        *,
        name: str = "scripted/model",
        window: int = 32_768,
        supports_tools: bool = True,
    ) -> None:
        is_local = name.startswith("local/")
        self.info = ModelInfo(
            name=name,
            window=window,
            max_output=4096,
            supports_tools=supports_tools,
            is_small=is_local,
            accepts_prefill=is_local,
        )
        self.calls: list[tuple[Message, ...]] = []
        self._replies = list(replies)
        self._lock = threading.Lock()

    def complete(self, request: ChatRequest) -> Reply:
        """Return the next of the queue; BadReply when it is empty."""
        with self._lock:
            self.calls.append(request.messages)
            if not self._replies:
                raise BadReply("the scripted model has no reply left")
            entry = self._replies.pop(0)
        if isinstance(entry, Exception):
            raise entry
        answer = entry(request.messages) if callable(entry) else entry
        if isinstance(answer, Reply):
            return answer
        prompt = sum(len(message.content) for message in request.messages) // 4
        usage = Usage(prompt=prompt, completion=len(answer) // 4)
        return Reply(text=answer, usage=usage, model=self.info.name, cost_usd=None)

    def send(self, request: ChatRequest) -> Reply:
        """As a backend: the same, an error as a failed attempt."""
        try:
            return self.complete(request)
        except ModelError as exc:
            raise AttemptFailed(exc) from exc

    def close(self) -> None:
        """Nothing is kept."""
