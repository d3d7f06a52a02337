"""Models and runs of other agents under a budget: reserved in the ledger before, settled after."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from gitmimo.cancel import NEVER, Cancelled, CancelToken
from gitmimo.errors import LimitReached, UnknownPrice
from gitmimo.llm.budget import NANO, BudgetLimits, Estimate, Scope, Unit, limit_reached
from gitmimo.llm.chat_format import most_tokens
from gitmimo.llm.ledger import Account, Ledger, Reservation
from gitmimo.llm.model import AttemptFailed, ChatRequest, RemoteModel
from gitmimo.llm.providers import Price
from gitmimo.records import Message, Reply, Tool, Usage

_LONGEST_WAIT_S = 900.0
_POLL_S = 0.1


def meter_model(model: RemoteModel, ledger: Ledger, account: Account, limits: BudgetLimits) -> RemoteModel:
    """The same model under limits. UnknownPrice when nothing limits the cost.

    Calls wait while running calls have reserved what they need. Near a limit they get less output, and raise
    LimitReached when a limit leaves no room.
    """
    require_price(model.name, model.price, limits)
    return model.with_backend(MeteredBackend(model, ledger, account, limits))


@dataclass(eq=False)
class MeteredBackend:
    """A model's backend whose every attempt has its own row in the ledger, repeated ones too.

    An answer that broke off may have been charged. Usage that the provider doesn't report counts at its worst case.
    """

    model: RemoteModel
    ledger: Ledger
    account: Account
    limits: BudgetLimits
    _counted: tuple[tuple[Message, ...], tuple[Tool, ...], int] = ((), (), 0)

    def send(self, request: ChatRequest) -> Reply:
        """See `Backend.send`; LimitReached names the limit that leaves no room."""
        prompt = self._most_prompt(request)
        estimate = Estimate(prompt=prompt, completion=request.output_limit, price=self.model.price)
        reservation = _reserve(lambda: self.ledger.reserve(self.account, estimate, self.limits), request.cancel)
        started = time.monotonic()
        try:
            reply = self.model.backend.send(dataclasses.replace(request, max_tokens=reservation.completion))
        except BaseException as exc:
            is_charged = exc.charged if isinstance(exc, AttemptFailed) else not isinstance(exc, Cancelled)
            if is_charged:
                self.ledger.settle_unknown(reservation, seconds=time.monotonic() - started)
            else:
                self.ledger.release(reservation)
            raise
        return self._settled(request, reservation, reply)

    def close(self) -> None:
        """Let go of what the model's own backend keeps."""
        self.model.backend.close()

    def _settled(self, request: ChatRequest, reservation: Reservation, reply: Reply) -> Reply:
        """Write down what the call took, and put the same into the reply."""
        price = self.model.price
        if reply.usage_known:
            self._counted = (request.messages, request.tools, reply.usage.prompt)
            cost_usd = price.cost_usd(reply.usage) if price is not None else None
            self.ledger.settle(reservation, reply.usage, cost_usd or 0.0, seconds=reply.seconds)
        else:
            cost_usd = reservation.nano_usd / NANO if price is not None else None
            self.ledger.settle_unknown(reservation, reply.usage, seconds=reply.seconds)
        return dataclasses.replace(reply, cost_usd=cost_usd)

    def _most_prompt(self, request: ChatRequest) -> int:
        """An upper bound of the prompt's tokens: the server's count for its known beginning, then a token a byte."""
        messages, tools, tokens = self._counted
        if tokens and tools == request.tools and request.messages[: len(messages)] == messages:
            most = tokens + most_tokens(request.messages[len(messages) :])
        else:
            most = most_tokens(request.messages, request.tools)
        info = self.model.info
        return min(most, info.window) if info.is_window_known else most


def _reserve(attempt: Callable[[], Reservation | float], cancel: CancelToken) -> Reservation:
    """Repeat `attempt` until there is room; it says how many seconds to wait where there is none yet."""
    ends = time.monotonic() + _LONGEST_WAIT_S
    while True:
        answer = attempt()
        if isinstance(answer, Reservation):
            return answer
        if time.monotonic() > ends:
            raise LimitReached(
                f"no room under the limits for {_LONGEST_WAIT_S / 60:g} minutes",
                limit="reserved",
                hint="raise the limits, or run fewer candidates",
            )
        cancel.sleep(answer)


def require_price(name: str, price: Price | None, limits: BudgetLimits) -> None:
    """UnknownPrice when neither a price nor a token limit bounds the model's cost."""
    if price is None and not limits.limits_tokens:
        raise UnknownPrice(
            f"the price of `{name}` is not known",
            hint=f"git mimo config set price.{name} INPUT OUTPUT   # USD per million tokens; or give --max-tokens",
        )


class AgentRunBudget:
    """The budget of one run of another agent: its cap is reserved before, its reported usage settled after.

    `begin` once, then `end` once, or `settle_unknown` when nothing was reported. `share` is among how many candidates a
    session's limit is divided where candidates have none of their own. `price` is the model's, None when unknown; a
    free one needs no cap in money. The cap bounds what the ledger counts, not what the run can spend: its single calls
    aren't seen here and can't be stopped. A run that passes its cap is settled at what it reports.
    """

    def __init__(
        self, ledger: Ledger, limits: BudgetLimits, account: Account, *, share: int = 1, price: Price | None = None
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._account = account
        self._share = max(1, share)
        self._price = price
        self._reservation: Reservation | None = None
        self._cap_usd: float | None = None

    def begin(self, cancel: CancelToken = NEVER) -> float | None:
        """Reserve the cap and return it in USD, None where nothing limits it.

        Waits while others have reserved the rest; LimitReached when none is left.
        """
        self._reservation = _reserve(self._reserve_cap, cancel)
        return self._cap_usd

    def end(self, usage: Usage | None, usd: float | None, *, seconds: float, calls: int) -> float | None:
        """Settle what the run reported and return its cost, None when that is unknown and nothing limits it.

        `calls` of its model were reported. Unreported usage is charged at the cap. If both a reported cost and our
        price are known, the higher is charged.
        """
        reservation = self._reservation
        assert reservation is not None
        self._reservation = None
        reserved = reservation.nano_usd / NANO
        if usage is None and usd is None and not self._is_free:
            self._ledger.settle_unknown(reservation, Usage(), seconds=seconds)
            return reserved or None
        amounts = [usd] if usd is not None else []
        if usage is not None and self._price is not None:
            amounts.append(self._price.cost_usd(usage))
        known = max(amounts, default=0.0 if self._is_free else None)
        counted = usage if usage is not None else Usage(prompt=reservation.prompt)
        cost = reserved if known is None else known
        self._ledger.settle(reservation, counted, cost, seconds=seconds, calls=calls)
        return known if known is not None else reserved or None

    def settle_unknown(self, *, seconds: float = 0.0) -> None:
        """Charge the run its cap when `end` was not called."""
        if self._reservation is not None:
            self._ledger.settle_unknown(self._reservation, Usage(), seconds=seconds)
            self._reservation = None

    @property
    def _is_free(self) -> bool:
        return self._price is not None and self._price.is_free

    def _reserve_cap(self) -> Reservation | float:
        """Reserve the smallest remainder of all limits: its tokens at once, and its money as one fee."""
        usages = self._ledger.limit_usages(self._account, self._limits)
        usages = tuple(usage for usage in usages if not (usage.unit is Unit.USD and self._is_free))
        used_up = [usage for usage in usages if usage.spent >= usage.limit]
        for usage in used_up:
            if not usage.in_flight:
                raise limit_reached(usage)
        if used_up:
            return _POLL_S
        own = {usage.unit for usage in usages if usage.scope is Scope.CANDIDATE}
        least: dict[Unit, int] = {}
        for usage in usages:
            left = usage.limit - usage.spent
            if usage.scope is Scope.SESSION and usage.unit not in own:
                left = min(left, max(1, usage.limit // self._share))
            least[usage.unit] = min(left, least.get(usage.unit, left))
        nano = least.get(Unit.USD)
        self._cap_usd = None if nano is None else nano / NANO
        # rounding must not lift the fee above what is left
        fee = Price(prompt=0.0, completion=0.0, per_request=max(0.0, (nano - 1) / NANO)) if nano is not None else None
        estimate = Estimate(prompt=least.get(Unit.TOKENS, 0), completion=0, price=fee)
        return self._ledger.reserve(self._account, estimate, self._limits)
