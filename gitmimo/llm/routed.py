"""A model behind one route: repeats failed attempts, and knows its price, window and provider."""

import dataclasses
from collections.abc import Callable, Sequence

from gitmimo.cancel import Cancelled
from gitmimo.llm.client import Call, Client, make_call
from gitmimo.llm.prices import ModelFacts, Price
from gitmimo.llm.retry import RetryPolicy, call_with_retries
from gitmimo.records import Message, Reply, Tool, Usage

_SMALLEST_OUTPUT = 16


class RoutedModel:
    """Implements `Model` over a client. `price` is None when unknown.

    After a cut stream the whole reply is asked for again, and `on_text` gets the text from its beginning once more;
    what is returned is always one whole reply.
    """

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        provider: str,
        facts: ModelFacts,
        window: int,
        supports_tools: bool,
        policy: RetryPolicy,
    ) -> None:
        self.client = client
        self.name = name
        self.provider = provider
        self.window = window
        self.supports_tools = supports_tools
        self.policy = policy
        self.price: Price | None = facts.price
        self.known_window: int | None = facts.window
        self._max_output = facts.max_output

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
        """See `Model.complete`."""
        call = make_call(
            messages,
            tools=tools,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            stop=stop,
            on_text=on_text,
            cancelled=cancelled,
        )
        try:
            return call_with_retries(lambda: self.attempt(call), self.policy, cancelled=cancelled)
        except Cancelled:
            return cancelled_reply(self.name)

    def fit(self, call: Call) -> Call:
        """The call with `max_tokens` as the model allows it."""
        if self._max_output is None or call.max_tokens <= self._max_output:
            return call
        return dataclasses.replace(call, max_tokens=max(_SMALLEST_OUTPUT, self._max_output))

    def attempt(self, call: Call) -> Reply:
        """One attempt, priced; AttemptFailed as the client says."""
        reply = self.client.attempt(self.fit(call))
        if reply.cost_usd is None and self.price is not None:
            return dataclasses.replace(reply, cost_usd=self.price.cost_usd(reply.usage))
        return reply

    def close(self) -> None:
        """Let go of connections, and of the local server when this is its last user."""
        self.client.close()


def cancelled_reply(name: str) -> Reply:
    """What a call returns that was cancelled before anything was sent."""
    return Reply(text="", usage=Usage(), finish_reason="cancelled", model=name)
