"""Money for a run whose single calls nobody here sees: its cap is reserved before, what it told is settled after.

The cap bounds what the book counts, not what the run can spend: who doesn't see the calls can't stop one. A run that
was told its cap and passed it all the same is settled at what it told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gitmimo.errors import LimitReached
from gitmimo.llm.budget import NANO, BudgetLimits, Need, Scope, Standing, Unit, limit_reached
from gitmimo.llm.ledger import Account, Ledger, Reservation
from gitmimo.llm.prices import FREE, Price
from gitmimo.llm.retry import sleep_unless
from gitmimo.records import Usage

_LONGEST_WAIT_S = 900.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that a run may take; None where nothing limits it."""

    usd: float | None = None
    tokens: int | None = None


class WholeRun:
    """One run in the ledger. `begin` once, then `end` once, or `lose` when nothing was told.

    `share` is among how many candidates a session's limit is divided where candidates have none of their own. `price`
    is the model's, None when unknown; a free one needs no cap in money.
    """

    def __init__(
        self, ledger: Ledger, limits: BudgetLimits, account: Account, *, share: int = 1, price: Price | None = None
    ) -> None:
        self._ledger = ledger
        # a run makes many requests: rates can't be kept for it
        self._limits = replace(limits, requests_per_minute=None, tokens_per_minute=None)
        self._account = account
        self._share = max(1, share)
        self._price = price
        self._reservation: Reservation | None = None

    def begin(self, cancelled: Callable[[], bool] | None = None) -> Cap:
        """Reserve the cap and return it. LimitReached when a limit leaves nothing; waits while others hold the rest."""
        ends = time.monotonic() + _LONGEST_WAIT_S
        while True:
            cap, blocked = self._cap()
            if blocked is None:
                answer = self._ledger.reserve(self._account, self._need(cap), self._limits)
                if isinstance(answer, Reservation):
                    self._reservation = answer
                    return cap
            elif not blocked.in_flight:
                raise limit_reached(blocked)
            if time.monotonic() > ends:
                raise LimitReached("other candidates hold what is left of the budget for too long", limit="budget")
            sleep_unless(cancelled, _LOOK_S)

    def end(self, usage: Usage | None, usd: float | None, *, seconds: float, calls: int) -> float | None:
        """Settle what was told and return its cost, None when that is unknown and nothing limits it.

        `calls` of its model were told. What was not told counts at the cap. The price that is known here stands
        beside what was told: the higher of the two counts.
        """
        held = self._reservation
        assert held is not None
        self._reservation = None
        reserved = held.nano / NANO
        if usage is None and usd is None and not self._is_free:
            self._ledger.lose(held, Usage(), seconds=seconds)
            return reserved or None
        amounts = [usd] if usd is not None else []
        if usage is not None and self._price is not None:
            amounts.append(self._price.cost_usd(usage))
        known = max(amounts, default=0.0 if self._is_free else None)
        counted = usage if usage is not None else Usage(prompt=held.prompt)
        self._ledger.settle(held, counted, reserved if known is None else known, seconds=seconds, calls=calls)
        return known if known is not None else reserved or None

    def lose(self, *, seconds: float = 0.0) -> None:
        """Count the run at its cap when it did not come to `end`."""
        if self._reservation is not None:
            self._ledger.lose(self._reservation, Usage(), seconds=seconds)
            self._reservation = None

    @property
    def _is_free(self) -> bool:
        return self._price is not None and self._price.is_free

    def _cap(self) -> tuple[Cap, Standing | None]:
        """What every limit leaves for this run, and the limit that leaves nothing."""
        least: dict[Unit, int] = {}
        blocked: Standing | None = None
        own = {unit for scope, unit, _ in self._limits.scopes() if scope is Scope.CANDIDATE}
        for standing in self._ledger.standings(self._account, self._limits):
            if standing.unit is Unit.USD and self._is_free:
                continue
            left = standing.limit - standing.spent
            if left <= 0:
                blocked = standing if blocked is None or not standing.in_flight else blocked
            if standing.scope is Scope.SESSION and standing.unit not in own:
                left = min(left, max(1, standing.limit // self._share))
            least[standing.unit] = min(left, least.get(standing.unit, left))
        nano = least.get(Unit.USD)
        return Cap(usd=nano / NANO if nano is not None else None, tokens=least.get(Unit.TOKENS)), blocked

    def _need(self, cap: Cap) -> Need:
        """The cap as the ledger reserves a call: all its tokens at once, and its money as one fee."""
        price = self._price if self._is_free or cap.usd is None else None
        if cap.usd is not None:
            fee = max(0.0, cap.usd - 1 / NANO)  # rounding must not lift it above what is left
            price = Price(prompt=0.0, completion=0.0, per_request=fee)
        elif price is not None:
            price = FREE
        return Need(prompt=cap.tokens or 0, completion=0, price=price)
