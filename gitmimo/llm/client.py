"""One call to a model as data, and the protocol of those who carry out a single attempt of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitmimo.records import Message, Reply, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The arguments of `Model.complete` in one piece."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    temperature: float | None = None
    max_tokens: int = 4096
    seed: int | None = None
    stop: tuple[str, ...] = ()
    on_text: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] | None = None


class Client(Protocol):
    """Carries out one attempt. Safe for several threads."""

    def attempt(self, call: Call) -> Reply:
        """Answer without repeating anything; AttemptFailed says what went wrong.

        A cancelled call returns what came, with `finish_reason="cancelled"`; Cancelled is raised when nothing was sent.
        The reply's `cost_usd` is None unless the route itself knows the price.
        """

    def close(self) -> None:
        """Let go of connections and processes."""


def make_call(
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] = (),
    temperature: float | None = None,
    max_tokens: int = 4096,
    seed: int | None = None,
    stop: Sequence[str] = (),
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Call:
    """Gather the arguments of `Model.complete`."""
    return Call(
        messages=tuple(messages),
        tools=tuple(tools),
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
        stop=tuple(stop),
        on_text=on_text,
        cancelled=cancelled,
    )
