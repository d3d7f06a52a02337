"""How the tests of llm/ ask a model."""

from collections.abc import Callable, Sequence
from typing import Any

from gitmimo.cancel import NEVER, CancelToken
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.records import Message, Reply


def ask(
    model: Model, messages: Sequence[Message], *, cancelled: Callable[[], bool] | None = None, **options: Any
) -> Reply:
    cancel = NEVER if cancelled is None else CancelToken(cancelled)
    return model.complete(ChatRequest(messages=tuple(messages), cancel=cancel, **options))
