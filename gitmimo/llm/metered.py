"""A model whose every call is written into the ledger before it is made."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from gitmimo.cancel import Cancelled
from gitmimo.errors import LimitReached, ModelError, UnknownPrice
from gitmimo.llm.budget import BudgetLimits, Need, Standing
from gitmimo.llm.client import Call, make_call
from gitmimo.llm.failures import AttemptFailed
from gitmimo.llm.ledger import Account, Ledger, Reservation
from gitmimo.llm.model import Model
from gitmimo.llm.prices import Price
from gitmimo.llm.provider_table import provider_of
from gitmimo.llm.retry import RetryPolicy, call_with_retries, sleep_unless
from gitmimo.llm.routed import RoutedModel, cancelled_reply
from gitmimo.llm.tokens import most_tokens
from gitmimo.records import Message, Reply, Tool

_LONGEST_WAIT_S = 900.0


class MeteredModel:
    """Implements `Model` over another one, within limits.

    Every attempt has its own place in the ledger, repeated ones too: an answer that broke off may have been charged.
    Calls wait while running calls hold what they need, or while a rate is used up; near a limit they get less output.
    What the provider does not tell counts at its worst case. `price` is needed for models that don't know theirs.
    """

    def __init__(
        self,
        model: Model | RoutedModel,
        ledger: Ledger,
        *,
        session: str,
        candidate: int = 0,
        phase: str = "candidate",
        limits: BudgetLimits,
        price: Price | None = None,
        on_warning: Callable[[Standing], None] | None = None,
    ) -> None:
        self.name = model.name
        self.window = model.window
        self.supports_tools = model.supports_tools
        self._model = model
        self._ledger = ledger
        self._limits = limits
        self._on_warning = on_warning
        routed = model if isinstance(model, RoutedModel) else None
        self._price = price if price is not None else (routed.price if routed else None)
        self._policy = routed.policy if routed else RetryPolicy(attempts=1)
        self._known_window = routed.known_window if routed else None
        provider = routed.provider if routed else provider_of(model.name)
        self._account = Account(session=session, candidate=candidate, phase=phase, model=model.name, provider=provider)
        self._counted: tuple[tuple[Message, ...], tuple[Tool, ...], int] = ((), (), 0)
        require_price(self.name, self._price, limits)

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
        """See `Model.complete`; LimitReached names the limit that leaves no room."""
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
        if isinstance(self._model, RoutedModel):
            call = self._model.fit(call)
        try:
            return call_with_retries(lambda: self._attempt(call), self._policy, cancelled=cancelled)
        except Cancelled:
            return cancelled_reply(self.name)

    def _attempt(self, call: Call) -> Reply:
        reservation = self._reserve(call)
        started = time.monotonic()
        is_open = True
        try:
            reply = self._send(dataclasses.replace(call, max_tokens=reservation.completion))
            is_open = False
            return self._settled(call, reservation, reply)
        except AttemptFailed as failed:
            if not failed.charged:
                is_open = False
                self._ledger.release(reservation)
            raise
        except Cancelled:
            is_open = False
            self._ledger.release(reservation)
            raise
        finally:
            if is_open:
                self._ledger.lose(reservation, seconds=time.monotonic() - started)

    def _reserve(self, call: Call) -> Reservation:
        need = Need(prompt=self._most_prompt(call), completion=call.max_tokens, price=self._price)
        ends = time.monotonic() + _LONGEST_WAIT_S
        while True:
            answer = self._ledger.reserve(self._account, need, self._limits)
            if isinstance(answer, Reservation):
                return answer
            if time.monotonic() > ends:
                raise LimitReached(
                    f"no room under the limits for {_LONGEST_WAIT_S / 60:g} minutes",
                    limit="rate",
                    hint="raise the rate limits of this provider, or run fewer candidates",
                )
            sleep_unless(call.cancelled, answer.seconds)

    def _send(self, call: Call) -> Reply:
        if isinstance(self._model, RoutedModel):
            return self._model.attempt(call)
        try:
            return self._model.complete(
                call.messages,
                tools=call.tools,
                temperature=call.temperature,
                max_tokens=call.max_tokens,
                seed=call.seed,
                stop=call.stop,
                on_text=call.on_text,
                cancelled=call.cancelled,
            )
        except ModelError as exc:
            raise AttemptFailed(exc) from exc

    def _settled(self, call: Call, reservation: Reservation, reply: Reply) -> Reply:
        """Write down what the call took, and put the same into the reply."""
        if reply.usage_known:
            self._counted = (call.messages, call.tools, reply.usage.prompt)
            cost_usd = self._price.cost_usd(reply.usage) if self._price is not None else None
            self._ledger.settle(reservation, reply.usage, cost_usd or 0.0, seconds=reply.seconds)
        else:
            cost_usd = reservation.nano / 1e9 if self._price is not None else None
            self._ledger.lose(reservation, reply.usage, seconds=reply.seconds)
        if self._on_warning is not None:
            for standing in self._ledger.new_warnings(self._account, self._limits):
                self._on_warning(standing)
        return dataclasses.replace(reply, cost_usd=cost_usd)

    def _most_prompt(self, call: Call) -> int:
        """What the prompt can have at most: the server's count for its known beginning, then a token a byte."""
        messages, tools, tokens = self._counted
        if tokens and tools == call.tools and call.messages[: len(messages)] == messages:
            most = tokens + most_tokens(call.messages[len(messages) :])
        else:
            most = most_tokens(call.messages, call.tools)
        return min(most, self._known_window) if self._known_window else most


def require_price(name: str, price: Price | None, limits: BudgetLimits) -> None:
    """UnknownPrice when neither a price nor a token limit protects the user from the model's cost."""
    if price is None and not limits.limits_tokens:
        raise UnknownPrice(
            f"the price of `{name}` is not known",
            hint=f"git mimo config set price.{name} INPUT OUTPUT   # USD per million tokens; or give --max-tokens",
        )
