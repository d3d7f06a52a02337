"""Other agents of a session: checked before anything is made, then each with its model, key, login and money."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.agent.external.programs import MIMO, Adapter, Choice, Endpoint, parse_choices, require_program
from gitmimo.agent.external.runner import ExternalAgent
from gitmimo.config import Config
from gitmimo.errors import NoModel
from gitmimo.llm.ledger import Account
from gitmimo.llm.local import shared_server
from gitmimo.llm.local_models import find_model
from gitmimo.llm.metered import AgentRunBudget
from gitmimo.llm.model import Model, RemoteModel
from gitmimo.llm.providers import FREE, find_provider
from gitmimo.llm.routing import Settings
from gitmimo.redact import known_secrets
from gitmimo.workflow.models import ModelPool, is_near, model_settings
from gitmimo.workflow.trust import find_key, key_variables

_MOST_LOGIN_BYTES = 1 << 20
_NEAR = "127.0.0.1,localhost,::1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Who works in a session: its agents by candidate, in order, each with its program where it is not our own."""

    agents: tuple[tuple[Choice, Path | None], ...]
    count: int  # of candidates

    @property
    def needs_model(self) -> bool:
        """Whether a candidate is git-mimo's own agent, which has no model but a configured one."""
        return any(choice.adapter is None for choice, _ in self.agents)

    def of(self, number: int) -> tuple[Choice, Path | None]:
        """The agent of a candidate; a list that is too short begins again."""
        return self.agents[(number - 1) % len(self.agents)]


def choose_staff(config: Config) -> Staff:
    """Read `--agent` and find every program. UsageError for an unknown agent or one that is not installed.

    There are as many candidates as agents were named, unless their number was given by itself.
    """
    named = parse_choices(config.texts("agents"))
    path = os.environ.get("PATH", os.defpath)
    agents = tuple(
        (choice, require_program(choice.adapter, path) if choice.adapter else None)
        for choice in named or (Choice(name=MIMO),)
    )
    is_counted = config.origin("candidates") not in ("default", ".mimo/config.yaml")
    return Staff(agents=agents, count=len(named) if named and not is_counted else config.count("candidates"))


def effort_of(config: Config, staff: Staff, models: ModelPool) -> str:
    """The effort that was asked for; where several models or agents were named, none is given up before its turn."""
    workers = max(len({choice.name for choice, _ in staff.agents}), len(models.workers))
    return "high" if workers > 1 and config.text("effort") == "normal" else config.text("effort")


class Workers:
    """Who works as which candidate: a model in our own loop, or another agent's program with its money and login."""

    def __init__(self, config: Config, staff: Staff, models: ModelPool) -> None:
        """NoModel when an agent needs a model and has none."""
        self.models = models
        self._agents = {n: _hire(n, staff, config, models) for n in range(1, staff.count + 1)}

    def of(self, number: int) -> Model | ExternalAgent:
        """Who works as this candidate."""
        return self._agents.get(number) or self.models.metered(number, "work")


def warnings_for(staff: Staff) -> tuple[str, ...]:
    """What a person should know before other agents' programs run."""
    others = list(dict.fromkeys(choice.name for choice, program in staff.agents if program))
    if not others:
        return ()
    listed = ", ".join(others)
    said = "run in the sandbox with network and the key of their model; of their calls only what they tell is counted"
    return (f"{listed} {said}",)


def _hire(number: int, staff: Staff, config: Config, pool: ModelPool) -> ExternalAgent | None:
    choice, program = staff.of(number)
    adapter = choice.adapter
    if adapter is None or program is None:
        return None
    settings = model_settings(config)
    model = pool.workers[(number - 1) % len(pool.workers)] if pool.workers else None
    if model is not None and not adapter.takes(model.provider):
        model = None
    if model is None and not adapter.own_provider:
        raise NoModel(f"agent `{adapter.name}` needs a model", hint="--model PROVIDER/NAME")
    endpoint = _endpoint(model, settings) if model else _own_endpoint(adapter, settings)
    account = Account(
        session=pool.session,
        candidate=number,
        phase="work",
        model=model.name if model else adapter.name,
        provider=model.provider if model else adapter.own_provider,
    )
    price = model.price if model else None
    if price is None and is_near(endpoint.base_url):
        price = FREE

    def reach() -> Endpoint:
        return _with_local_server(endpoint, settings) if endpoint.provider == "local" else endpoint

    return ExternalAgent(
        adapter=adapter,
        program=program,
        money=lambda: AgentRunBudget(pool.ledger, pool.limits, account, share=staff.count, price=price),
        endpoint=reach,
        model=model.name if model else "",
        timeout_s=config.seconds("agentTimeout"),
        logins={} if endpoint.env else _logins(adapter.logins),
        secrets=known_secrets({**os.environ, **endpoint.env}),
    )


def _endpoint(model: RemoteModel, settings: Settings) -> Endpoint:
    """How an agent reaches the model that is configured."""
    known = find_provider(model.provider)
    variables = key_variables(model.provider)
    key = find_key(model.provider, settings.environ)
    env = {name: key for name in variables[:1] if key}
    given = {
        name: value
        for name in (known.url_variables if known else ())
        if (value := settings.environ.get(name, "").strip())
    }
    base_url = settings.base_url or (next(iter(given.values()), "") if model.provider == "openai" else "")
    if model.provider == "ollama" and not base_url:
        base_url = f"{(next(iter(given.values()), '') or known.base_url if known else '').rstrip('/')}/v1"
    found = Endpoint(
        model=model.name,
        provider=model.provider,
        provider_url=known.base_url if known else "",
        key_variable=next(iter(variables), ""),
        env={**env, **given},
        window=model.info.window if model.info.is_window_known else None,
        max_output=model.info.max_output,
    )
    return _at(found, base_url, key or "none") if base_url else found


def _at(endpoint: Endpoint, url: str, key: str) -> Endpoint:
    """The endpoint at a server of one's own."""
    env = {**endpoint.env, "OPENAI_API_BASE": url, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": key}
    if is_near(url):
        env |= {"NO_PROXY": _NEAR, "no_proxy": _NEAR}
    return replace(endpoint, base_url=url, key_variable="OPENAI_API_KEY", env=env)


def _own_endpoint(adapter: Adapter, settings: Settings) -> Endpoint:
    """What an agent needs that chooses its model itself: the key of its provider, where there is one."""
    known = find_provider(adapter.own_provider)
    key = find_key(known.name, settings.environ) if known else None
    return Endpoint(env={known.key_variables[0]: key} if known and key else {})


def _with_local_server(endpoint: Endpoint, settings: Settings) -> Endpoint:
    """The endpoint at the local model's server, started when it does not run; our own agent uses the same one."""
    address, key = shared_server(find_model(endpoint.model, settings.local.model_dir), settings.local).ensure()
    return replace(_at(endpoint, f"{address}/v1", key), window=settings.local.n_ctx)


def _logins(names: Sequence[str]) -> dict[str, bytes]:
    """Copies of the person's login files that an agent names, for its private home; the originals stay out of reach."""
    found = {}
    for name in names:
        path = Path.home() / name
        if path.is_file() and path.stat().st_size <= _MOST_LOGIN_BYTES:
            found[name] = path.read_bytes()
    return found
