"""The providers that git-mimo knows by name: where they are, which key they want, which model is a good start."""

from dataclasses import dataclass

from gitmimo.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider. Without `base_url` its models go through litellm, with it by the direct client.

    `key_variables` and `url_variables` are those that litellm and the provider's own tools read, first one first. One
    with `wants_reasoning` needs what its model thought back within a turn of several function calls.
    """

    name: str
    default_model: str
    base_url: str = ""
    key_variables: tuple[str, ...] = ()
    url_variables: tuple[str, ...] = ()
    key_page: str = ""
    needs_key: bool = True
    aliases: tuple[str, ...] = ()
    bare_prefixes: tuple[str, ...] = ()  # model names that are this provider's without saying so
    wants_reasoning: bool = False


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(name="local", default_model="local/qwen2.5-coder-1.5b", needs_key=False),
        Provider(
            name="openai",
            default_model="openai/gpt-5.4-mini",
            base_url="https://api.openai.com/v1",
            key_variables=("OPENAI_API_KEY",),
            url_variables=("OPENAI_API_BASE", "OPENAI_BASE_URL"),
            key_page="platform.openai.com/api-keys",
            bare_prefixes=("gpt-", "o1", "o3", "o4", "chatgpt-", "codex-"),
        ),
        Provider(
            name="anthropic",
            default_model="anthropic/claude-sonnet-5",
            key_variables=("ANTHROPIC_API_KEY",),
            url_variables=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
            key_page="console.anthropic.com/settings/keys",
            wants_reasoning=True,
            bare_prefixes=("claude-",),
        ),
        Provider(
            name="deepseek",
            default_model="deepseek/deepseek-v4-flash",
            base_url="https://api.deepseek.com/v1",
            key_variables=("DEEPSEEK_API_KEY",),
            url_variables=("DEEPSEEK_API_BASE",),
            key_page="platform.deepseek.com/api_keys",
            wants_reasoning=True,
            bare_prefixes=("deepseek-",),
        ),
        Provider(
            name="moonshot",
            default_model="moonshot/kimi-k2.7-code",
            base_url="https://api.moonshot.ai/v1",
            key_variables=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
            url_variables=("MOONSHOT_API_BASE",),
            key_page="platform.moonshot.ai/console/api-keys",
            wants_reasoning=True,
            aliases=("kimi",),
            bare_prefixes=("kimi-", "moonshot-"),
        ),
        Provider(
            name="gemini",
            default_model="gemini/gemini-3.5-flash",
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            url_variables=("GEMINI_API_BASE",),
            key_page="aistudio.google.com/apikey",
            aliases=("google",),
            bare_prefixes=("gemini-",),
        ),
        Provider(
            name="openrouter",
            default_model="openrouter/deepseek/deepseek-v4-flash",
            base_url="https://openrouter.ai/api/v1",
            key_variables=("OPENROUTER_API_KEY", "OR_API_KEY"),
            url_variables=("OPENROUTER_API_BASE",),
            key_page="openrouter.ai/keys",
            wants_reasoning=True,
        ),
        Provider(
            name="ollama",
            default_model="ollama/qwen2.5-coder:7b",
            base_url="http://127.0.0.1:11434",
            key_variables=("OLLAMA_API_KEY",),
            url_variables=("OLLAMA_API_BASE", "OLLAMA_HOST"),
            needs_key=False,
            aliases=("ollama_chat",),
        ),
        Provider(
            name="groq",
            default_model="groq/openai/gpt-oss-120b",
            base_url="https://api.groq.com/openai/v1",
            key_variables=("GROQ_API_KEY",),
            url_variables=("GROQ_API_BASE",),
            key_page="console.groq.com/keys",
        ),
        Provider(
            name="mistral",
            default_model="mistral/devstral-latest",
            base_url="https://api.mistral.ai/v1",
            key_variables=("MISTRAL_API_KEY",),
            url_variables=("MISTRAL_API_BASE",),
            key_page="console.mistral.ai/api-keys",
            bare_prefixes=("mistral-", "codestral-", "devstral-"),
        ),
        Provider(
            name="xai",
            default_model="xai/grok-code-fast-1",
            base_url="https://api.x.ai/v1",
            key_variables=("XAI_API_KEY",),
            url_variables=("XAI_API_BASE",),
            key_page="console.x.ai",
            bare_prefixes=("grok-",),
        ),
    )
}

_BY_ALIAS = {alias: provider.name for provider in PROVIDERS.values() for alias in (provider.name, *provider.aliases)}


def find_provider(name: str) -> Provider | None:
    """The known provider of this name or alias."""
    return PROVIDERS.get(_BY_ALIAS.get(name.lower(), ""))


def provider_of(model: str) -> str:
    """The provider's name in a model name; `openai/x` -> openai, `gpt-5` -> openai. Empty when unknown.

    Providers that only litellm knows (`bedrock/…`) keep their prefix as name.
    """
    prefix, slash, _ = model.partition("/")
    if slash:
        return _BY_ALIAS.get(prefix.lower(), prefix)
    return next(
        (provider.name for provider in PROVIDERS.values() if model.lower().startswith(provider.bare_prefixes)),
        "",
    )


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
