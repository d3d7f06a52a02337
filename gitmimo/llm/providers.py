"""The providers that git-mimo knows by name, and what litellm's price map says of models, read without importing it."""

import functools
import importlib.util
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitmimo.errors import ConfigError
from gitmimo.records import Usage

_MAP_NAME = "model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"(input_cost_per_token|output_cost_per_token)_above_(\d+)k_tokens\Z")
_MILLION = 1_000_000


# --- providers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider of `providers.toml`, which explains the fields.

    Without `base_url` its models go through litellm, with it by the direct client. One with `wants_reasoning` needs
    what its model thought back within a turn of several calls.
    """

    name: str
    start: str
    base_url: str = ""
    key_page: str = ""
    more_keys: Sequence[str] = ()
    more_urls: Sequence[str] = ()
    aliases: Sequence[str] = ()
    bare_prefixes: Sequence[str] = ()
    wants_reasoning: bool = False

    @property
    def default_model(self) -> str:
        """The model to begin with, as litellm names it."""
        return f"{self.name}/{self.start}"

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment's variables that may hold its key, first one first."""
        return (f"{self.name.upper()}_API_KEY", *self.more_keys)

    @property
    def url_variables(self) -> tuple[str, ...]:
        """The environment's variables that may hold its address, first one first."""
        return (f"{self.name.upper()}_API_BASE", *self.more_urls)


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PROVIDERS: Mapping[str, Provider] = {name: Provider(name=name, **entry) for name, entry in _TABLE.items()}
_BY_ALIAS = {alias: provider for provider in PROVIDERS.values() for alias in (provider.name, *provider.aliases)}


def find_provider(name: str) -> Provider | None:
    """The known provider of this name or alias."""
    return _BY_ALIAS.get(name.lower())


def provider_of(model: str) -> str:
    """The provider's name in a model name; `openai/x` -> openai, `gpt-5` -> openai. Empty when unknown.

    Providers that only litellm knows (`bedrock/…`) keep their prefix as name.
    """
    prefix, slash, _ = model.partition("/")
    if slash:
        known = find_provider(prefix)
        return known.name if known else prefix
    theirs = (p.name for p in PROVIDERS.values() if model.lower().startswith(tuple(p.bare_prefixes)))
    return next(theirs, "")


def default_model(provider: str) -> str:
    """The model that a provider starts with. ConfigError for a name that is not known."""
    found = find_provider(provider)
    if found is None:
        raise ConfigError(
            f"unknown provider: `{provider}`",
            hint=f"known are {', '.join(PROVIDERS)}; or give --model and --base-url",
        )
    return found.default_model


def bare_model(model: str) -> str:
    """The name without its provider, as the provider's server knows it."""
    prefix, slash, rest = model.partition("/")
    is_prefix = slash and (find_provider(prefix) is not None or prefix in ("hosted_vllm", "lm_studio", "custom_openai"))
    return rest if is_prefix else model


# --- prices ----------------------------------------------------------------------------------------------------------


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
        at = self._levels(usage.prompt)[-1]
        cached = at.prompt if at.cached is None else at.cached
        written = at.cache_write or at.prompt
        fresh = max(0, usage.prompt - usage.cached - usage.cache_written)
        prompt_usd = fresh * at.prompt + usage.cached * cached + usage.cache_written * written
        return at.per_request + prompt_usd + usage.completion * at.completion

    def worst_usd(self, *, prompt: int, completion: int) -> float:
        """The most that a call of this size can cost, request fee included."""
        levels = self._levels(prompt)
        dearest = max(max(p.prompt, p.cache_write or 0.0, p.cached or 0.0) for p in levels)
        return max(p.per_request for p in levels) + prompt * dearest + completion * self.completion_worst(prompt)

    def completion_worst(self, prompt: int) -> float:
        """The highest price of one output token after a prompt of up to this size."""
        return max(p.completion for p in self._levels(prompt))

    @property
    def is_free(self) -> bool:
        return self.worst_usd(prompt=_MILLION, completion=_MILLION) == 0

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
    entry = _entry(model)
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


@functools.lru_cache(maxsize=256)
def _entry(model: str) -> Mapping[str, Any]:
    """A model's entry in the map, which is read whole, in 25 ms, and not kept; empty when it has none."""
    entries = json.loads(_map_path().read_bytes())
    provider, _, rest = model.partition("/")
    is_bare = provider in ("openai", "anthropic", "text-completion-openai")  # their entries have no prefix
    found: Mapping[str, Any] = entries.get(model) or (entries.get(rest) if is_bare else None) or {}
    return found


def _map_path() -> Path:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name(_MAP_NAME)


def _price(entry: Mapping[str, Any]) -> Price | None:
    given = [entry.get("input_cost_per_token"), entry.get("output_cost_per_token")]
    if not all(isinstance(value, (int, float)) for value in given):
        return None
    thresholds = sorted({int(match[2]) for key in entry if (match := _ABOVE.match(key))})
    above = tuple((thousand * 1000, _level(entry, f"_above_{thousand}k_tokens")) for thousand in thresholds)
    return replace(_level(entry, ""), above=above)


def _level(entry: Mapping[str, Any], suffix: str) -> Price:
    """The prices of one tier; what a tier does not name costs as in the lowest."""

    def cost(name: str) -> float:
        return float(entry.get(f"{name}{suffix}") or entry.get(name) or 0.0)

    cached = entry.get(f"cache_read_input_token_cost{suffix}")
    return Price(
        prompt=cost("input_cost_per_token"),
        completion=max(cost("output_cost_per_token"), float(entry.get("output_cost_per_reasoning_token") or 0.0)),
        cached=None if cached is None else float(cached),
        cache_write=cost("cache_creation_input_token_cost"),
        per_request=float(entry.get("input_cost_per_request") or 0.0),
    )


def _integer(value: Any) -> int | None:
    try:
        return int(value) if value else None
    except (TypeError, ValueError):
        return None
