"""Routing by model name: to the direct client, litellm, or the embedded local server."""

import functools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitmimo.errors import NoKey, NoModel, UnknownModel
from gitmimo.llm.connection import Timeouts, import_httpx
from gitmimo.llm.http_client import Endpoint, HttpBackend, OllamaBackend
from gitmimo.llm.litellm_client import LitellmBackend, import_litellm
from gitmimo.llm.local import LocalBackend, LocalSettings
from gitmimo.llm.model import DEFAULT_OUTPUT, DEFAULT_WINDOW, Backend, ModelInfo, RemoteModel, RetryPolicy
from gitmimo.llm.providers import (
    PROVIDERS,
    ModelFacts,
    Price,
    Provider,
    bare_model,
    facts_of,
    find_provider,
    provider_of,
)

_OLLAMA_WINDOW = 16_384
_MOST_OUTPUT = 32_768  # of one reply, whatever the model could write: a budget reserves it for every call
_SMALL_PARAMETERS = 8.5e9
_SMALL_FILE_BYTES = 6e9
_WINDOW_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
_SIZE = re.compile(r"([\d.]+) ?([KMBT])\Z", re.I)
_FACTORS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_NO_KEY_PROVIDERS = ("bedrock", "vertex_ai", "sagemaker", "azure")  # they sign in their own ways, litellm knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is needed to open models. `key_for` finds a stored key by provider; `environ` goes before it.

    Models are called directly where their provider's API is compatible, unless `only_litellm`.
    """

    environ: Mapping[str, str]
    key_for: Callable[[str], str | None]
    local: LocalSettings
    base_url: str = ""
    only_litellm: bool = False
    timeouts: Timeouts = Timeouts()
    retries: RetryPolicy = RetryPolicy()
    prices: Mapping[str, Price] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)


def open_model(name: str, settings: Settings) -> RemoteModel:
    """Open a model by its litellm name; nothing is sent yet.

    NoModel for an empty name, UnknownModel when it implies no provider, NoKey when the provider needs a key and
    neither the environment nor the store has one, ConfigError for an address that is none.
    """
    if not name.strip():
        raise NoModel("no model is configured", hint="git mimo models pull && git mimo config set model local")
    name = _full_name(name.strip())
    provider = provider_of(name)
    facts = facts_of(name)
    if provider == "local":
        backend: Backend = LocalBackend(name, settings.local, settings.timeouts)
    elif provider or settings.base_url:
        backend = _open_backend(name, provider, settings)
    else:
        raise UnknownModel(
            f"no provider in the model name `{name}`",
            hint=f"name it first, for example `openai/{name}`; known are {', '.join(PROVIDERS)}",
        )
    return RemoteModel(
        name,
        backend,
        functools.partial(_describe, name, backend, facts, settings),
        provider=provider or "openai",
        price=_setting(settings.prices, name) or facts.price,
        policy=settings.retries,
    )


def uses_litellm(name: str, settings: Settings) -> bool:
    """Whether calls to this model go through litellm."""
    provider = provider_of(_full_name(name.strip()))
    return provider != "local" and (settings.only_litellm or not _base_url(find_provider(provider), settings))


def warm_up(name: str, settings: Settings) -> threading.Thread:
    """Import in the background what the first call needs; starting the local server would slow the base tests."""
    load: Callable[[], object] = import_litellm if uses_litellm(name, settings) else import_httpx
    thread = threading.Thread(target=load, name="warm-up", daemon=True)
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


def _describe(name: str, backend: Backend, facts: ModelFacts, settings: Settings) -> ModelInfo:
    """Collect facts about a model. Asks the server if it is the user's own, or Ollama's or OpenRouter's."""
    if isinstance(backend, LocalBackend):
        return ModelInfo(
            name=name,
            window=backend.window,
            is_window_known=True,
            max_output=min(DEFAULT_OUTPUT, backend.window // 2),
            supports_tools=False,
            is_small=backend.size < _SMALL_FILE_BYTES,
            accepts_prefill=True,
        )
    set_window = _setting(settings.windows, name) or 0
    is_known = bool(set_window or facts.window) and not name.startswith("ollama/")
    report = {} if is_known or not isinstance(backend, HttpBackend) else _read_report(backend)
    window = set_window or facts.window or report.get("window") or 0
    if isinstance(backend, OllamaBackend):
        window = backend.window  # what each request asks for
    return ModelInfo(
        name=name,
        window=window or DEFAULT_WINDOW,
        is_window_known=bool(window),
        max_output=min(facts.max_output or DEFAULT_OUTPUT, _MOST_OUTPUT, (window or DEFAULT_WINDOW) // 2),
        supports_tools=facts.supports_tools is not False and report.get("supports_tools", True),
        is_small=0 < report.get("parameters", 0) <= _SMALL_PARAMETERS,
        accepts_prefill=report.get("is_llama_cpp", False),
    )


def _setting(values: Mapping[str, Any], name: str) -> Any:
    return values.get(name, values.get(name.lower()))  # git config keys have no case here


def _open_backend(name: str, provider: str, settings: Settings) -> Backend:
    known = find_provider(provider)
    key = _key(known, provider, settings)
    wants_reasoning = known is not None and known.wants_reasoning
    if uses_litellm(name, settings):
        if provider_of(name) and "/" not in name:
            name = f"{provider}/{name}"
        url = _custom_url(known, settings)
        return LitellmBackend(name, key=key, base_url=url, timeouts=settings.timeouts, wants_reasoning=wants_reasoning)
    endpoint = Endpoint(
        base_url=_base_url(known, settings).rstrip("/"),
        provider=provider or "openai",
        model=bare_model(name),
        name=name,
        key=key,
        timeouts=settings.timeouts,
        wants_reasoning=wants_reasoning,
    )
    if provider == "ollama" and not settings.base_url:
        window = _setting(settings.windows, name) or facts_of(name).window or _OLLAMA_WINDOW
        return OllamaBackend(endpoint, window=window)
    return HttpBackend(endpoint)


def _key(known: Provider | None, provider: str, settings: Settings) -> str:
    """The key, or nothing where none is needed: own servers and providers that sign in their own ways."""
    variables = known.key_variables if known else (f"{provider.upper()}_API_KEY",)
    found = _first(settings.environ, variables) or settings.key_for(known.name if known else provider or "openai")
    if found:
        return found
    if _custom_url(known, settings) or (known and not known.key_page) or provider in _NO_KEY_PROVIDERS:
        return ""
    page = f"  # made at {known.key_page}" if known else ""
    raise NoKey(
        f"`{provider}` needs an API key and none was found",
        hint=f"git mimo config set --provider {provider} --api-key KEY{page}",
    )


def _first(environ: Mapping[str, str], names: Sequence[str]) -> str:
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _custom_url(known: Provider | None, settings: Settings) -> str:
    """An address that the user gave, by flag or by the provider's own variable."""
    if settings.base_url or known is None:
        return settings.base_url
    url = _first(settings.environ, known.url_variables)
    if known.name == "ollama" and url:
        return (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1")
    return url


def _base_url(known: Provider | None, settings: Settings) -> str:
    """The direct client's address; empty when the provider has no compatible API.

    A variable like ANTHROPIC_API_BASE names a server with the provider's own API: only `--base-url` selects the client.
    """
    if settings.base_url:
        return settings.base_url
    return (_custom_url(known, settings) or known.base_url) if known is not None and known.base_url else ""


# --- the server's report of its model ---


def _read_report(backend: HttpBackend) -> dict[str, Any]:
    """Ask the server: its list of models (vLLM, SGLang, llama.cpp, LM Studio, OpenRouter), or Ollama's `show`.

    `window` in tokens, the number of `parameters`, whether it `supports_tools`, and whether it `is_llama_cpp`, which
    goes on from a last message of the assistant; only what the server says.
    """
    model = backend.endpoint.model
    if isinstance(backend, OllamaBackend):
        shown = backend.fetch("/api/show", {"model": model})
        can = shown.get("capabilities")
        return {
            "parameters": _parameters(_mapping(shown.get("details")).get("parameter_size")),
            "supports_tools": not isinstance(can, list) or "tools" in can,
        }
    listed = backend.fetch("/models").get("data")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    own = next((entry for entry in entries if entry.get("id") == model), entries[0] if len(entries) == 1 else {})
    meta = _mapping(own.get("meta"))
    window = next((value for name in _WINDOW_FIELDS if (value := own.get(name) or meta.get(name))), 0)
    return {
        "window": window if isinstance(window, int) and window > 0 else 0,
        "parameters": _parameters(meta.get("n_params")),
        "is_llama_cpp": own.get("owned_by") == "llamacpp",
    }


def _parameters(value: Any) -> float:
    """A number of parameters, written as a number or as in `7.6B`."""
    if isinstance(value, (int, float)):
        return float(value)
    match = _SIZE.match(str(value or ""))
    return float(match[1]) * _FACTORS[match[2].upper()] if match else 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
