"""Prices and context windows, read from litellm's price map as a file, without importing litellm."""

import functools
import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitmimo.errors import ConfigError
from gitmimo.records import Usage

_MAP_NAME = "model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"(input_cost_per_token|output_cost_per_token)_above_(\d+)k_tokens\Z")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per token. `above` has the prices for all tokens of a prompt longer than a threshold, in rising order."""

    prompt: float
    completion: float
    cached: float | None = None  # None: as `prompt`
    cache_write: float | None = None
    per_request: float = 0.0
    above: tuple[tuple[int, "Price"], ...] = ()

    def cost_usd(self, usage: Usage) -> float:
        """The cost of this usage."""
        at = self._at(usage.prompt)
        cached = at.prompt if at.cached is None else at.cached
        written = at.cache_write or at.prompt
        fresh = max(0, usage.prompt - usage.cached - usage.cache_written)
        prompt_usd = fresh * at.prompt + usage.cached * cached + usage.cache_written * written
        return at.per_request + prompt_usd + usage.completion * at.completion

    def worst_usd(self, *, prompt: int, completion: int) -> float:
        """The most that a call of this size can cost."""
        return self.prompt_worst_usd(prompt) + completion * self.completion_worst(prompt)

    def prompt_worst_usd(self, prompt: int) -> float:
        """The most that a prompt of up to this many tokens can cost, request fee included."""
        levels = self._levels(prompt)
        dearest = max(max(p.prompt, p.cache_write or 0.0, p.cached or 0.0) for p in levels)
        return max(p.per_request for p in levels) + prompt * dearest

    def completion_worst(self, prompt: int) -> float:
        """The highest price of one output token after a prompt of up to this size."""
        return max(p.completion for p in self._levels(prompt))

    @property
    def is_free(self) -> bool:
        return self.worst_usd(prompt=_MILLION, completion=_MILLION) == 0

    def _at(self, prompt: int) -> "Price":
        return next((price for threshold, price in reversed(self.above) if prompt > threshold), self)

    def _levels(self, prompt: int) -> "list[Price]":
        return [self, *(price for threshold, price in self.above if prompt > threshold)]


FREE = Price(prompt=0.0, completion=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Facts about a model before it is called; None if unknown."""

    price: Price | None = None
    window: int | None = None
    max_output: int | None = None
    supports_tools: bool | None = None


def facts_of(model: str) -> ModelFacts:
    """Look a model up by its litellm name; nothing known gives empty facts. Local and ollama models cost nothing.

    Ollama's `-cloud` models are paid by subscription, not by token.
    """
    entry = next((found for key in _keys(model) if (found := _entry(key)) is not None), {})
    is_free = model.split("/")[0] in ("local", "ollama", "ollama_chat")
    return ModelFacts(
        price=FREE if is_free else _price(entry),
        window=_integer(entry.get("max_input_tokens") or entry.get("max_tokens")),
        max_output=_integer(entry.get("max_output_tokens")),
        supports_tools=entry.get("supports_function_calling") if entry else None,
    )


def parse_price(text: str) -> Price:
    """Read `mimo.<model>.price`: USD per million tokens as `INPUT OUTPUT [CACHED]`, also with slashes."""
    parts = re.split(r"[\s/,]+", text.strip())
    try:
        numbers = [float(part) / _MILLION for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or any(n < 0 or not math.isfinite(n) for n in numbers):
        raise ConfigError(
            f"not a price: `{text}`",
            hint="write USD per million tokens as INPUT OUTPUT [CACHED], for example `0.3 1.2`",
        )
    return Price(prompt=numbers[0], completion=numbers[1], cached=numbers[2] if len(numbers) == 3 else None)


def parse_window(text: str) -> int:
    """Read `mimo.<model>.window`: tokens of prompt and reply together, at least 512."""
    if not re.fullmatch(r"\d{3,9}", text.strip()) or int(text) < 512:
        raise ConfigError(f"not a window: `{text}`", hint="write tokens, at least 512, for example `131072`")
    return int(text)


def _keys(model: str) -> Iterator[str]:
    yield model
    provider, _, rest = model.partition("/")
    if rest and provider in ("openai", "anthropic", "text-completion-openai"):  # their entries have no prefix
        yield rest


@functools.lru_cache(maxsize=256)
def _entry(key: str) -> Mapping[str, Any] | None:
    """One entry of the map, which is read whole, in 25 ms, and not kept."""
    path = _map_path()
    return json.loads(path.read_bytes()).get(key) if path is not None else None


@functools.cache
def _map_path() -> Path | None:
    spec = importlib.util.find_spec("litellm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / _MAP_NAME
        if path.is_file() and path.stat().st_size:
            return path
    return None


def _price(entry: Mapping[str, Any]) -> Price | None:
    given = [entry.get("input_cost_per_token"), entry.get("output_cost_per_token")]
    if not all(isinstance(value, (int, float)) for value in given):
        return None
    thresholds = sorted({int(match[2]) for key in entry if (match := _ABOVE.match(key))})
    above = tuple((thousand * 1000, _level(entry, f"_above_{thousand}k_tokens")) for thousand in thresholds)
    return replace(_level(entry, ""), above=above)


def _level(entry: Mapping[str, Any], suffix: str) -> Price:
    """The prices of one tier; what a tier does not name costs as in the lowest."""

    def cost(name: str) -> float | None:
        value = entry.get(f"{name}{suffix}") or entry.get(name)
        return None if value is None else float(value)

    cached = entry.get(f"cache_read_input_token_cost{suffix}")
    return Price(
        prompt=cost("input_cost_per_token") or 0.0,
        completion=max(
            cost("output_cost_per_token") or 0.0, float(entry.get("output_cost_per_reasoning_token") or 0.0)
        ),
        cached=None if cached is None else float(cached),
        cache_write=cost("cache_creation_input_token_cost"),
        per_request=float(entry.get("input_cost_per_request") or 0.0),
    )


def _integer(value: Any) -> int | None:
    try:
        return int(value) if value else None
    except (TypeError, ValueError):
        return None
