"""Names, keys, addresses, prices: where a model's name leads."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitmimo.errors import ConfigError, NoKey, NoModel, UnknownModel
from gitmimo.llm.http_client import HttpBackend
from gitmimo.llm.litellm_client import LitellmBackend
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.providers import (
    FREE,
    PROVIDERS,
    Price,
    bare_model,
    default_model,
    facts_of,
    find_provider,
    parse_price,
    parse_window,
    provider_of,
)
from gitmimo.llm.routing import Settings, open_model, uses_litellm
from gitmimo.records import Usage

LOCAL = LocalSettings(model_dir=Path("/nowhere"), state_dir=Path("/nowhere"))


def settings(
    environ: Mapping[str, str] | None = None,
    *,
    base_url: str = "",
    only_litellm: bool = False,
    stored: Mapping[str, str] | None = None,
    prices: Mapping[str, Price] | None = None,
) -> Settings:
    return Settings(
        environ=environ or {},
        key_for=lambda provider: (stored or {}).get(provider),
        local=LOCAL,
        base_url=base_url,
        only_litellm=only_litellm,
        prices=prices or {},
    )


def direct(name: str, given: Settings) -> tuple[str, str, str]:
    """Address, model name on the wire and key of a direct route."""
    backend = open_model(name, given).backend
    assert isinstance(backend, HttpBackend)
    return backend.endpoint.base_url, backend.endpoint.model, backend.endpoint.key


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("deepseek/deepseek-chat", {"DEEPSEEK_API_KEY": "k"}, ("https://api.deepseek.com/v1", "deepseek-chat", "k")),
        ("deepseek-chat", {"DEEPSEEK_API_KEY": "k"}, ("https://api.deepseek.com/v1", "deepseek-chat", "k")),
        ("kimi/kimi-k2.6", {"MOONSHOT_API_KEY": "k"}, ("https://api.moonshot.ai/v1", "kimi-k2.6", "k")),
        ("gpt-5", {"OPENAI_API_KEY": "k"}, ("https://api.openai.com/v1", "gpt-5", "k")),
        ("openai/x", {"OPENAI_API_BASE": "http://h:1/v1"}, ("http://h:1/v1", "x", "")),
        ("openai/x", {"OPENAI_BASE_URL": "http://h:1/v1/"}, ("http://h:1/v1", "x", "")),
        (
            "openrouter/a/b:free",
            {"OPENROUTER_API_KEY": "k"},
            ("https://openrouter.ai/api/v1", "a/b:free", "k"),
        ),
        ("groq/openai/x", {"GROQ_API_KEY": "k"}, ("https://api.groq.com/openai/v1", "openai/x", "k")),
        ("ollama/qwen:7b", {}, ("http://127.0.0.1:11434", "qwen:7b", "")),
        ("ollama_chat/qwen:7b", {"OLLAMA_HOST": "box:99"}, ("http://box:99", "qwen:7b", "")),
        ("ollama/q", {"OLLAMA_API_BASE": "http://box:99"}, ("http://box:99", "q", "")),
    ],
)
def test_a_name_leads_to_an_address(name: str, environ: Mapping[str, str], expected: tuple[str, str, str]) -> None:
    assert direct(name, settings(environ)) == expected


def test_any_model_goes_to_a_given_address() -> None:
    given = settings(base_url="http://box:8000/v1")
    assert direct("Qwen/Qwen3-Coder", given) == ("http://box:8000/v1", "Qwen/Qwen3-Coder", "")
    assert direct("openai/mine", given) == ("http://box:8000/v1", "mine", "")
    assert direct("mine", given)[1] == "mine"
    with pytest.raises(ConfigError, match="not an address"):
        open_model("openai/x", settings(base_url="box:8000"))


def test_the_environment_goes_before_the_store() -> None:
    stored = {"deepseek": "stored", "openai": "stored"}
    assert direct("deepseek/x", settings({"DEEPSEEK_API_KEY": "env"}, stored=stored))[2] == "env"
    assert direct("deepseek/x", settings(stored=stored))[2] == "stored"


def test_a_key_is_never_shown() -> None:
    backend = open_model("openai/x", settings({"OPENAI_API_KEY": "sk-secret"})).backend
    assert isinstance(backend, HttpBackend)
    assert "sk-secret" not in repr(backend.endpoint)


def test_what_speaks_another_language_goes_through_litellm() -> None:
    given = settings({"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"})
    for name in ("anthropic/claude-sonnet-5", "claude-sonnet-5", "gemini/gemini-3.5-flash", "bedrock/some.model"):
        assert uses_litellm(name, given)
        assert isinstance(open_model(name, given).backend, LitellmBackend)
    assert not uses_litellm("openai/x", given)
    assert uses_litellm("openai/x", settings(only_litellm=True))
    assert not uses_litellm("local", settings(only_litellm=True))


def test_what_cannot_be_opened_is_told() -> None:
    with pytest.raises(NoModel, match="no model is configured"):
        open_model(" ", settings())
    with pytest.raises(UnknownModel, match="no provider in the model name `some-model`"):
        open_model("some-model", settings())
    with pytest.raises(NoKey, match="`gemini` needs an API key"):
        open_model("gemini", settings())
    with pytest.raises(NoModel, match="not here"):
        open_model("local/nothing", settings())


def test_every_provider_has_a_start() -> None:
    for name, provider in PROVIDERS.items():
        assert provider_of(provider.default_model) == name
        assert default_model(name) == provider.default_model
        if provider.key_page and name != "openrouter":
            assert facts_of(provider.default_model).price is not None, name
    found = find_provider("Kimi")
    assert found is not None
    assert found.name == "moonshot"
    with pytest.raises(ConfigError, match="unknown provider: `nobody`"):
        default_model("nobody")
    assert bare_model("hosted_vllm/a/b") == "a/b"


# --- prices ----------------------------------------------------------------------------------------------------------


def test_prices_come_from_the_map() -> None:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(next(iter(spec.submodule_search_locations))) / "model_prices_and_context_window_backup.json"
    whole = json.loads(path.read_text())
    for key in ("gpt-5-mini", "deepseek/deepseek-chat", "claude-sonnet-4-5", "gemini/gemini-2.5-pro"):
        price = facts_of(key).price
        assert price is not None
        assert price.prompt == whole[key]["input_cost_per_token"]
        assert price.completion == whole[key]["output_cost_per_token"]
        assert facts_of(key).window == whole[key]["max_input_tokens"]
    assert facts_of("openai/gpt-5-mini").price == facts_of("gpt-5-mini").price
    assert facts_of("anthropic/claude-sonnet-4-5").price == facts_of("claude-sonnet-4-5").price


@pytest.mark.parametrize("indent", [None, 2, 4, 8])
def test_the_price_map_is_read_however_it_is_indented(
    indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 1000}
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"other/mine-of-tests": {}, "mine-of-tests": entry}, indent=indent))
    monkeypatch.setattr("gitmimo.llm.providers._map_path", lambda: path)
    assert facts_of("mine-of-tests").window == 1000


def test_what_runs_at_home_costs_nothing_and_what_is_unknown_has_no_price() -> None:
    assert facts_of("local/anything").price == FREE
    assert facts_of("ollama/anything").price == FREE
    assert facts_of("openai/no-such-model").price is None
    assert facts_of("openai/no-such-model").window is None
    assert facts_of("gpt.5-mini").price is None  # names are no patterns
    mine = Price(prompt=1, completion=2)
    opened = open_model("openai/x", settings({"OPENAI_API_KEY": "k"}, prices={"openai/x": mine}))
    assert opened.price == mine


def test_cached_and_written_tokens_have_their_own_price() -> None:
    price = Price(prompt=10, completion=20, cached=1, cache_write=12)
    usage = Usage(prompt=10, cached=4, cache_written=2, completion=3)
    assert price.cost_usd(usage) == 4 * 10 + 4 * 1 + 2 * 12 + 3 * 20
    assert price.worst_usd(prompt=10, completion=3) == 10 * 12 + 3 * 20


def test_long_prompts_cost_what_their_tier_says() -> None:
    price = facts_of("gemini/gemini-2.5-pro").price
    assert price is not None
    ((threshold, above),) = price.above
    assert threshold == 200_000
    assert price.cost_usd(Usage(prompt=200_001)) == pytest.approx(200_001 * above.prompt)
    assert price.cost_usd(Usage(prompt=200_000)) == pytest.approx(200_000 * price.prompt)
    assert price.worst_usd(prompt=300_000, completion=1) >= price.cost_usd(Usage(prompt=300_000, completion=1))


def test_a_price_is_read_from_the_configuration() -> None:
    assert parse_price("0.3/1.2") == Price(prompt=0.3e-6, completion=1.2e-6)
    assert parse_price("0.3 1.2") == parse_price("0.3/1.2")
    assert parse_price("0.3/1.2/0.03").cached == pytest.approx(0.03e-6)
    for wrong in ("", "1", "a/b", "1/-2", "-1 -1", "1/2/3/4", "nan/1", "nan nan", "inf/1"):
        with pytest.raises(ConfigError, match="not a price"):
            parse_price(wrong)


def test_a_window_is_read_from_the_configuration() -> None:
    assert parse_window("131072") == 131_072
    for wrong in ("", "1", "511", "-4096", "8k", "1e5"):
        with pytest.raises(ConfigError, match="not a window"):
            parse_window(wrong)


def test_opening_and_pricing_a_model_imports_nothing_heavy() -> None:
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", _OPENING], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


_OPENING = """
import sys
from pathlib import Path
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.routing import Settings, open_model
local = LocalSettings(model_dir=Path("/x"), state_dir=Path("/x"))
model = open_model("deepseek/deepseek-chat", Settings(environ={"DEEPSEEK_API_KEY": "k"}, key_for=str, local=local))
assert model.price
print([name for name in ("litellm", "httpx", "openai", "rich", "huggingface_hub", "asyncio") if name in sys.modules])
"""
