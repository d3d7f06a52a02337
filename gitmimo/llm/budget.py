"""Limits on money and tokens, and how much output one more call may have under them; pure."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.errors import LimitReached
from gitmimo.llm.providers import Price

NANO = 1_000_000_000
SMALLEST_OUTPUT = 256
ENOUGH_OUTPUT = 8_192  # with room for so much a call doesn't wait for more


class Scope(enum.StrEnum):
    """What a limit sums over. Days and months are those of UTC."""

    CANDIDATE = "candidate"
    SESSION = "session"
    DAY = "day"
    MONTH = "month"


class Unit(enum.StrEnum):
    """What a limit counts."""

    USD = "usd"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """How much may be spent; None is no limit."""

    candidate_usd: float | None = None
    candidate_tokens: int | None = None
    session_usd: float | None = None
    session_tokens: int | None = None
    day_usd: float | None = None
    month_usd: float | None = None

    def scopes(self) -> tuple[tuple[Scope, Unit, int], ...]:
        """Every limit that is set, in nano-dollars or tokens; days and months are limited in money only."""
        found = []
        for scope in Scope:
            for unit in Unit:
                value = getattr(self, f"{scope}_{unit}", None)
                if value is not None:
                    found.append((scope, unit, math.floor(value * NANO + 1e-3) if unit is Unit.USD else int(value)))
        return tuple(found)

    @property
    def limits_tokens(self) -> bool:
        """Whether tokens are limited, so that a model without known price may be called."""
        return any(unit is Unit.TOKENS for _, unit, _ in self.scopes())


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsage:
    """How much of one limit is spent. `in_flight` is the part of `spent` that calls still running have reserved."""

    scope: Scope
    unit: Unit
    limit: int
    spent: int
    in_flight: int = 0

    @property
    def name(self) -> str:
        """For example `session.usd`."""
        return f"{self.scope}.{self.unit}"

    def show(self, amount: int) -> str:
        """An amount in this limit's unit, for people."""
        return f"${amount / NANO:.4f}" if self.unit is Unit.USD else f"{amount:,} tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The most that a call can take: prompt tokens, wanted output, price (None: unknown, counted in tokens only)."""

    prompt: int
    completion: int
    price: Price | None

    def nano_usd(self, completion: int) -> int:
        """The worst case in nano-dollars with this much output."""
        return to_nano(self.price.worst_usd(prompt=self.prompt, completion=completion)) if self.price else 0

    def amount(self, unit: Unit, completion: int) -> int:
        """The worst case in a limit's unit."""
        return self.nano_usd(completion) if unit is Unit.USD else self.prompt + completion


def to_nano(usd: float) -> int:
    """Nano-dollars, rounded up."""
    return math.ceil(usd * NANO - 1e-6)


def grant(estimate: Estimate, usages: Sequence[LimitUsage]) -> int | None:
    """How much output a call may have: all, or less near a limit; None to wait. LimitReached where none is left.

    If less than `ENOUGH_OUTPUT` tokens are left and running calls have reserved more than they will use, it is better
    to wait for them. What remains then is granted down to `SMALLEST_OUTPUT` tokens (or less, if less was asked for).
    """
    now = min((_room(estimate, s, s.limit - s.spent) for s in usages), default=estimate.completion)
    if now >= min(ENOUGH_OUTPUT, estimate.completion):
        return min(now, estimate.completion)
    if min(_room(estimate, s, s.limit - s.spent + s.in_flight) for s in usages) > now:
        return None
    if now >= min(SMALLEST_OUTPUT, estimate.completion):
        return now
    raise limit_reached(min(usages, key=lambda s: _room(estimate, s, s.limit - s.spent)))


def limit_reached(usage: LimitUsage) -> LimitReached:
    """The limit in the way, with how much of it is spent and how to go on."""
    option = {Unit.USD: "--budget USD", Unit.TOKENS: "--max-tokens N"}[usage.unit]
    if usage.scope is not Scope.SESSION:
        name = {Unit.USD: "budget", Unit.TOKENS: "maxTokens"}[usage.unit]
        option = f"git mimo config set {name}.{usage.scope} N"
    return LimitReached(
        f"the {usage.scope} limit does not allow another call: {usage.show(usage.spent)} of"
        f" {usage.show(usage.limit)} spent",
        limit=usage.name,
        hint=f"raise it to go on: {option}",
    )


def _room(estimate: Estimate, usage: LimitUsage, left: int) -> int:
    """How many output tokens fit into what is left; negative when not even the prompt does."""
    if estimate.amount(usage.unit, estimate.completion) <= left:
        return estimate.completion
    if usage.unit is Unit.TOKENS:
        return left - estimate.prompt
    if estimate.price is None:
        return estimate.completion
    per_token = estimate.price.completion_worst(estimate.prompt) * NANO
    room = math.floor((left - estimate.nano_usd(0)) / per_token) if per_token else -1
    return room if room < 0 or estimate.nano_usd(room) <= left else room - 1
