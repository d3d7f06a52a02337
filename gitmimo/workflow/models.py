"""The models of a session, opened from the configuration and put under its budget."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitmimo.config import Config
from gitmimo.errors import ConfigError, NoKey, NoModel
from gitmimo.git.repository import Repository
from gitmimo.ids import SessionId
from gitmimo.llm.budget import BudgetLimits
from gitmimo.llm.ledger import Account, Ledger, Totals
from gitmimo.llm.local import LocalSettings
from gitmimo.llm.metered import meter_model, require_price
from gitmimo.llm.model import Model, RemoteModel
from gitmimo.llm.providers import PROVIDERS, default_model, parse_price, parse_window, provider_of
from gitmimo.llm.routing import Settings, open_model, warm_up
from gitmimo.workflow.directories import data_home, state_home
from gitmimo.workflow.trust import find_key

_NEAR = ("local", "ollama", "ollama_chat")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPool:
    """The models that a session may use, all opened, none called yet."""

    workers: tuple[RemoteModel, ...]  # none where no model is configured and none is needed
    of_phases: Mapping[str, RemoteModel]  # those that plan, answer and name, and the critic
    ledger: Ledger
    limits: BudgetLimits
    session: SessionId
    is_near: bool = False  # the configured server is on this machine
    answers_in_parallel: bool = False  # although it is
    rungs: int = 1  # more: the workers are a ladder, and each fan-out uses the next

    @property
    def takes_turns(self) -> bool:
        """Whether candidates would only wait for each other: every worker runs on this machine, one call at a time."""
        if self.answers_in_parallel:
            return False
        return self.is_near or (bool(self.workers) and all(provider_of(model.name) in _NEAR for model in self.workers))

    @property
    def names(self) -> tuple[str, ...]:
        """The models of the candidates."""
        return tuple(model.name for model in self.workers)

    @property
    def critic_name(self) -> str:
        """The model that reviews the diffs; empty if none does."""
        critic = self.of_phases.get("critic")
        return critic.name if critic else ""

    def close(self) -> None:
        """Let go of connections, the local server and the ledger."""
        for model in {id(model): model for model in (*self.workers, *self.of_phases.values())}.values():
            model.close()
        self.ledger.close()

    def spent(self) -> Totals:
        """Everything that this session has used so far: candidates, plans, reviews."""
        return self.ledger.total(self.session)

    def metered(self, number: int, phase: str) -> Model:
        """The model of a candidate (its rung of the ladder, else spread over candidates) or of a phase, metered."""
        model = self._worker(number) if phase == "work" else self.of_phases.get(phase)
        if model is None:
            raise NoModel(f"no model is configured for: {phase}", hint="--model PROVIDER/NAME")
        account = Account(
            session=self.session, candidate=number, phase=phase, model=model.name, provider=model.provider
        )
        return meter_model(model, self.ledger, account, self.limits)

    def _worker(self, number: int) -> RemoteModel | None:
        if not self.workers:
            return None
        is_ladder = self.rungs > 1
        return self.workers[min(number, self.rungs) - 1 if is_ladder else (number - 1) % len(self.workers)]


def open_models(
    repository: Repository,
    config: Config,
    session: SessionId,
    *,
    needs_model: bool = True,
) -> ModelPool:
    """Open what the configuration names; errors in the user's words before anything is made.

    NoModel or NoKey when there is none, unless no candidate needs one: other agents bring their own, and a skill's
    script comes first.
    """
    settings = model_settings(config)
    try:
        names = model_names(config)
        workers = tuple(open_model(name, settings) for name in names)
    except (NoModel, NoKey):
        if needs_model:
            raise
        names, workers = (), ()
    for name in dict.fromkeys(names):
        warm_up(name, settings)
    of_phases = _open_for_phases(config, settings, workers)
    limits = limits_of(config)
    for model in (*workers, *of_phases.values()) if needs_model else ():
        require_price(model.name, model.price, limits)
    return ModelPool(
        workers=workers,
        of_phases=of_phases,
        ledger=Ledger(repository.state_dir),
        limits=limits,
        session=session,
        is_near=is_near(settings.base_url),
        answers_in_parallel=bool(config["parallel"]),
        rungs=ladder_height(config),
    )


def ladder_height(config: Config) -> int:
    """How many rungs the ladder of models has; 1 where models are given by name, or nothing is climbed.

    Where all candidates start together there is no next fan-out: they stay on the first rung.
    """
    return 1 if config.texts("model") or config.text("fanout") == "all" else max(1, len(config.texts("models")))


def model_names(config: Config) -> tuple[str, ...]:
    """The models of the candidates, in the order in which candidates get them."""
    names = config.texts("model") or config.texts("models")[: ladder_height(config)]
    if not names and config.text("provider"):
        names = (default_model(config.text("provider")),)
    if not names and (found := provider_of_environment(os.environ)):
        names = (default_model(found[0]),)
    if not names:
        raise NoModel(
            "no model is configured",
            hint="git mimo models pull && git mimo config set --provider local   # free, on this machine\n"
            "git mimo config set --provider deepseek   # asks for its key",
        )
    return names


def provider_of_environment(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The first known provider whose key a variable holds, and the variable: used where no model is configured."""
    for provider in PROVIDERS.values():
        for variable in provider.key_variables if provider.name != "local" else ():
            if environ.get(variable):
                return provider.name, variable
    return None


def model_settings(config: Config) -> Settings:
    """What opening a model needs: keys, addresses, prices, the local model's place."""
    return Settings(
        environ=os.environ,
        key_for=lambda provider: find_key(provider, os.environ),
        base_url=_server_address(config),
        only_litellm=config.text("llm") == "litellm",
        local=local_settings(config),
        prices={name: parse_price(text) for name, text in config.prices.items()},
        windows={name: parse_window(text) for name, text in config.windows.items()},
    )


def _server_address(config: Config) -> str:
    """The configured server's address; ConfigError where it would get the key of another provider than it is for."""
    address = config.text("baseUrl")
    if not address or config.origin("baseUrl") == "flag":
        return address
    chosen = (*config.texts("model"), *config.texts("models"), config.text("critic"))
    expected = ("", "openai", "local", config.text("provider"))
    foreign = next((name for name in chosen if provider_of(name) not in expected and name != "none"), None)
    if foreign is not None:
        provider = provider_of(foreign)
        raise ConfigError(
            f"mimo.baseUrl is `{address}`, so `{foreign}` would be asked there, with the key of {provider}",
            hint="git mimo config unset --global baseUrl   # ask the provider itself\n"
            f"git mimo config set --provider {provider} --base-url {address}   # that server does answer for it",
        )
    return address


def local_settings(config: Config) -> LocalSettings:
    """The directories of the local model's file and of its server's state."""
    return LocalSettings(
        model_dir=data_home() / "models",
        state_dir=state_home() / "local",
        n_ctx=config.count("local.context"),
        linger_s=config.number("local.linger") or 0.0,
    )


def limits_of(config: Config) -> BudgetLimits:
    """Every limit on money and tokens."""
    return BudgetLimits(
        session_usd=config.number("budget"),
        candidate_usd=config.number("budget.candidate"),
        day_usd=config.number("budget.day"),
        month_usd=config.number("budget.month"),
        session_tokens=config["maxTokens"],
        candidate_tokens=config["maxTokens.candidate"],
    )


def is_near(address: str) -> bool:
    """Whether a server is on this machine."""
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


def _open_for_phases(config: Config, settings: Settings, workers: Sequence[RemoteModel]) -> dict[str, RemoteModel]:
    """The models that plan, review, answer and name; the first worker where the configuration names no other."""
    found = dict.fromkeys(("plan", "answer", "dream"), workers[0]) if workers else {}
    critic = config.text("critic")
    # a small model can't judge; otherwise the last model of the list is the most distinct from the first
    capable = [w for w in workers if w.provider != "local" and not (w.provider == "ollama" and w.info.is_small)]
    if critic and critic != "none":
        found["critic"] = open_model(critic, settings)
    elif capable and not critic:
        found["critic"] = capable[-1]
    return found
