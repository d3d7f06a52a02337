"""Which way a model's name leads: the direct client, litellm, or the embedded local server."""

import dataclasses
import enum
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitmimo.errors import ConfigError, NoKey, NoModel, UnknownModel
from gitmimo.llm.client import Client
from gitmimo.llm.litellm_model import LitellmClient, import_litellm
from gitmimo.llm.local import LocalClient, LocalSettings
from gitmimo.llm.ollama_client import OllamaClient
from gitmimo.llm.openai_client import Endpoint, OpenAIClient
from gitmimo.llm.prices import ModelFacts, Price, facts_of
from gitmimo.llm.provider_table import PROVIDERS, Provider, bare_model, find_provider, provider_of
from gitmimo.llm.retry import RetryPolicy
from gitmimo.llm.routed import RoutedModel
from gitmimo.llm.transport import Timeouts, Transport

_DEFAULT_WINDOW = 32_768
_OLLAMA_WINDOW = 16_384
_NO_KEY_PROVIDERS = ("bedrock", "vertex_ai", "sagemaker", "azure")  # they sign in their own ways, litellm knows


class Route(enum.StrEnum):
    """How models that are not local are called; `auto` goes directly where the provider speaks our language."""

    AUTO = "auto"
    DIRECT = "direct"
    LITELLM = "litellm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is needed to open models. `key_for` finds a stored key by provider; `environ` goes before it."""

    environ: Mapping[str, str]
    key_for: Callable[[str], str | None]
    local: LocalSettings
    base_url: str = ""
    route: Route = Route.AUTO
    timeouts: Timeouts = Timeouts()
    retries: RetryPolicy = RetryPolicy()
    prices: Mapping[str, Price] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields for every direct or local request, as they are


def open_model(name: str, settings: Settings) -> RoutedModel:
    """Open a model by its litellm name; nothing is sent yet.

    NoModel for an empty name, UnknownModel when no provider can be told from it, NoKey when the provider wants one and
    neither the environment nor the store has it, ConfigError for an address that is none.
    """
    if not name.strip():
        raise NoModel("no model is configured", hint="git mimo models pull && git mimo config set model local")
    name = _full_name(name.strip())
    provider = provider_of(name)
    if provider == "local":
        return _open_local(name, settings)
    if not provider and not settings.base_url:
        raise UnknownModel(
            f"no provider in the model name `{name}`",
            hint=f"name it first, for example `openai/{name}`; known are {', '.join(PROVIDERS)}",
        )
    facts = _facts(name, settings)
    return RoutedModel(
        _open_client(name, provider, settings),
        name=name,
        provider=provider or "openai",
        facts=facts,
        window=_window(name, facts),
        supports_tools=facts.supports_tools is not False,
        policy=settings.retries,
    )


def uses_litellm(name: str, settings: Settings) -> bool:
    """Whether calls to this model go through litellm, so that warming it up is worth while."""
    provider = provider_of(_full_name(name.strip()))
    if provider == "local" or settings.route is Route.DIRECT:
        return False
    return settings.route is Route.LITELLM or not (_base_url(find_provider(provider), settings))


def warm_up(name: str, settings: Settings) -> threading.Thread | None:
    """Begin what takes seconds (importing litellm, starting the local server) in the background."""
    if provider_of(_full_name(name.strip())) == "local":
        return None  # it shares the processor with the base tests: starting early would slow them
    if not uses_litellm(name, settings):
        return None
    thread = threading.Thread(target=import_litellm, name="warm-up", daemon=True)
    thread.start()
    return thread


def _full_name(name: str) -> str:
    """`local` or `kimi` alone mean the provider's default model; an alias prefix becomes the provider's own."""
    alone = find_provider(name)
    if alone is not None:
        return alone.default_model
    prefix, slash, rest = name.partition("/")
    known = find_provider(prefix) if slash else None
    return f"{known.name}/{rest}" if known is not None else name


def _facts(name: str, settings: Settings) -> ModelFacts:
    facts = facts_of(name)
    price = settings.prices.get(name, settings.prices.get(name.lower()))  # git config keys have no case here
    window = settings.windows.get(name)
    return dataclasses.replace(facts, price=price or facts.price, window=window or facts.window)


def _window(name: str, facts: ModelFacts) -> int:
    """Tokens of prompt and reply together. Ollama keeps room in memory for all of them."""
    return facts.window or (_OLLAMA_WINDOW if name.startswith("ollama/") else _DEFAULT_WINDOW)


def _open_client(name: str, provider: str, settings: Settings) -> Client:
    known = find_provider(provider)
    key = _key(known, provider, settings)
    base_url = _base_url(known, settings)
    if uses_litellm(name, settings):
        if provider_of(name) and "/" not in name:
            name = f"{provider}/{name}"
        return LitellmClient(name, key=key, base_url=_custom_url(known, settings), timeouts=settings.timeouts)
    if not base_url:
        raise ConfigError(
            f"`{provider}` is not reached without litellm", hint="git mimo config set llm auto  # or give --base-url"
        )
    endpoint = Endpoint(
        provider=provider or "openai",
        model=bare_model(name),
        name=name,
        key=key,
        timeouts=settings.timeouts,
        extra=settings.extra,
    )
    transport = _transport(base_url, settings.environ)
    if provider == "ollama" and not settings.base_url:
        return OllamaClient(endpoint, transport, window=_window(name, _facts(name, settings)))
    return OpenAIClient(endpoint, transport)


def _open_local(name: str, settings: Settings) -> RoutedModel:
    client = LocalClient(name, settings.local, settings.timeouts, extra=settings.extra)
    facts = dataclasses.replace(facts_of(name), window=client.window)
    return RoutedModel(
        client,
        name=name,
        provider="local",
        facts=facts,
        window=client.window,
        supports_tools=False,
        policy=settings.retries,
    )


def _transport(base_url: str, environ: Mapping[str, str]) -> Transport:
    try:
        return Transport(base_url, environ=environ)
    except ValueError as exc:
        raise ConfigError(f"not an address of a model server: `{base_url}`", hint="begin it with http://") from exc


def _key(known: Provider | None, provider: str, settings: Settings) -> str:
    """The key, or nothing where none is needed: own servers and providers that sign in their own ways."""
    variables = known.key_variables if known else (f"{provider.upper()}_API_KEY",)
    found = next((value for name in variables if (value := settings.environ.get(name, "").strip())), None)
    found = found or settings.key_for(known.name if known else provider or "openai")
    if found:
        return found
    if _custom_url(known, settings) or (known and not known.needs_key) or provider in _NO_KEY_PROVIDERS:
        return ""
    page = f"  # made at {known.key_page}" if known else ""
    raise NoKey(
        f"`{provider}` needs an API key and none was found",
        hint=f"git mimo config set --provider {provider} --api-key KEY{page}",
    )


def _custom_url(known: Provider | None, settings: Settings) -> str:
    """An address that the user gave, by flag or by the provider's own variable."""
    url = settings.base_url or next(
        (value for name in (known.url_variables if known else ()) if (value := settings.environ.get(name, "").strip())),
        "",
    )
    if known is not None and known.name == "ollama" and url and not settings.base_url:
        return (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1")
    return url


def _base_url(known: Provider | None, settings: Settings) -> str:
    """Where the direct client goes; empty when the provider doesn't speak its language.

    A variable like ANTHROPIC_API_BASE names a server of the provider's own language: only `--base-url` makes it ours.
    """
    if settings.base_url:
        return settings.base_url
    return (_custom_url(known, settings) or known.base_url) if known is not None and known.base_url else ""
