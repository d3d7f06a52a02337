"""The agents that are known: what each is given, how its program is started, and which of them the user asked for.

`reports.py` has what each of them reports. [docs/agents.md](../../../docs/agents.md) says which were run for real.
"""

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.agent.external import reports
from gitmimo.agent.external.reports import AgentReport
from gitmimo.errors import UsageError
from gitmimo.llm.providers import bare_model

MIMO = "mimo"
_COMMAND = "cmd:"
_MOST = 64

_RULES = "rules.md"  # in the private home: the project's rules and memory
_TASK = "task.md"
# aider's cache of prices, so that it does not download them anew in every private home; litellm's own map stays
_AIDER_PRICES = ".aider/caches/model_prices_and_context_window.json"
_OPENCODE_CONFIG = "opencode.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The model that an agent is to use. Without a model the agent takes its own.

    `model` is litellm's name. `base_url` is a server of one's own that speaks OpenAI's language, `provider_url` the
    known provider's address where it does. The key goes by the environment: `env`, under `key_variable` and more.
    """

    model: str = ""
    provider: str = ""
    base_url: str = ""
    provider_url: str = ""
    key_variable: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    window: int | None = None
    max_output: int = 4096

    @property
    def bare(self) -> str:
        """The model's name as its server knows it."""
        return bare_model(self.model) if self.model else ""

    @property
    def litellm_name(self) -> str:
        """The name for tools that use litellm: a model with an address of its own has OpenAI's API."""
        return f"openai/{self.bare}" if self.model and self.base_url else self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """The input of an agent. Paths below `home` have the same name inside the sandbox."""

    prompt: str
    rules: str
    home: Path  # private, outside the tree, gone afterwards
    endpoint: Endpoint
    test_command: str = ""
    max_steps: int = 60
    max_output_tokens: int = 4096
    cap_usd: float | None = None

    def at(self, name: str) -> str:
        """The path of a file in the private home."""
        return str(self.home / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start the program: arguments after its own name, environment, files to write into the private home."""

    arguments: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The facts about one agent."""

    name: str
    program: str
    install: str
    prepare: Callable[[AgentRequest], Launch]  # what a request adds to the arguments and environment of every run
    read: Callable[[Path], AgentReport]
    arguments: Sequence[str] = ()  # `{home}` stands for the private home, here and in `env`
    env: Mapping[str, str] = field(default_factory=dict)
    providers: Sequence[str] = ()  # whose models it can use; empty: any
    own_provider: str = ""  # whose key it takes when it chooses the model itself; empty: it needs a model
    logins: Sequence[str] = ()  # files below HOME that hold its login, copied when no key is known
    leftovers: Sequence[str] = ()  # what it leaves behind at the top of the tree, as globs
    exit_codes: Mapping[int, str] = field(default_factory=dict)

    def launch(self, request: AgentRequest) -> Launch:
        """How the program is started for a request."""
        added, home = self.prepare(request), str(request.home)
        arguments = [argument.replace("{home}", home) for argument in self.arguments]
        env = {name: value.replace("{home}", home) for name, value in self.env.items()}
        return Launch(arguments=[*arguments, *added.arguments], env={**env, **added.env}, files=added.files)

    def takes(self, provider: str) -> bool:
        """Whether it can use a model of this provider."""
        return not self.providers or provider in self.providers


def _prepare_aider(request: AgentRequest) -> Launch:
    """Edits files by text blocks, runs the tests itself, and repairs at most three times."""
    files = {_TASK: request.prompt, _AIDER_PRICES: '{"none": {}}'}
    arguments = ["--model", request.endpoint.litellm_name]
    if request.rules:
        files[_RULES] = request.rules
        arguments += ["--read", request.at(_RULES)]
    if request.test_command:
        arguments += ["--test-cmd", request.test_command, "--auto-test"]
    return Launch(arguments=arguments, files=files)


def _prepare_claude(request: AgentRequest) -> Launch:
    """Claude Code in its print mode."""
    arguments = ["--max-turns", str(request.max_steps)]
    if request.endpoint.model:
        arguments += ["--model", request.endpoint.bare]
    if request.cap_usd is not None:
        arguments += ["--max-budget-usd", f"{request.cap_usd:.4f}"]
    if request.rules:
        arguments += ["--append-system-prompt", request.rules]
    return Launch(arguments=[*arguments, "-p", request.prompt])


def _prepare_codex(request: AgentRequest) -> Launch:
    """Codex CLI in its non-interactive mode. Its own sandbox is off: it runs in ours."""
    endpoint = request.endpoint
    arguments = ["--model", endpoint.bare] if endpoint.model else []
    if endpoint.base_url:
        provider = {"name": "mimo", "base_url": endpoint.base_url, "env_key": "CODEX_API_KEY", "wire_api": "responses"}
        arguments += ["-c", "model_provider=mimo"]
        for name, value in provider.items():
            arguments += ["-c", f"model_providers.mimo.{name}={json.dumps(value)}"]
    key = endpoint.env.get("OPENAI_API_KEY")
    env = {"CODEX_API_KEY": key} if key else {}
    # made also when empty: its directory must be there
    return Launch(arguments=[*arguments, request.prompt], env=env, files={".codex/AGENTS.md": request.rules})


def _prepare_mini(request: AgentRequest) -> Launch:
    """mini-swe-agent: one shell command a step, nothing else."""
    endpoint = request.endpoint
    prompt = f"{request.rules}\n\n{request.prompt}" if request.rules else request.prompt
    arguments = ["-m", endpoint.litellm_name, "-t", prompt, "-l", f"{request.cap_usd or 0}"]
    arguments += ["-c", f"agent.step_limit={request.max_steps}"]
    if endpoint.base_url:
        arguments += ["-c", f"model.model_kwargs.api_base={endpoint.base_url}"]
    return Launch(arguments=arguments)


def _prepare_opencode(request: AgentRequest) -> Launch:
    """opencode, its model as an OpenAI-compatible provider in a configuration of its own."""
    endpoint = request.endpoint
    config: dict[str, object] = {
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "permission": {"*": "allow", "question": "deny"},
    }
    arguments: list[str] = []
    url = endpoint.base_url or (endpoint.provider_url if endpoint.provider != "openai" else "")
    if endpoint.model and url:
        limit = {"context": endpoint.window or 32_768, "output": request.max_output_tokens}
        config["provider"] = {
            "mimo": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "mimo",
                "options": {"baseURL": url, "apiKey": f"{{env:{endpoint.key_variable or 'OPENAI_API_KEY'}}}"},
                "models": {endpoint.bare: {"name": endpoint.bare, "tool_call": True, "limit": limit}},
            }
        }
        config["small_model"] = f"mimo/{endpoint.bare}"
        arguments += ["--model", f"mimo/{endpoint.bare}"]
    elif endpoint.model:
        arguments += ["--model", f"{endpoint.provider}/{endpoint.bare}"]
    files = {}
    if request.rules:
        files[_RULES] = request.rules
        config["instructions"] = [request.at(_RULES)]
    files[_OPENCODE_CONFIG] = json.dumps(config)
    return Launch(arguments=[*arguments, request.prompt], files=files)


_FUNCTIONS = {
    "aider": (_prepare_aider, reports.read_aider),
    "claude": (_prepare_claude, reports.read_claude),
    "codex": (_prepare_codex, reports.read_codex),
    "mini": (_prepare_mini, reports.read_mini),
    "opencode": (_prepare_opencode, reports.read_opencode),
}


def _read_adapters() -> dict[str, Adapter]:
    table = tomllib.loads(Path(__file__).with_name("agents.toml").read_text(encoding="utf-8"))
    found = {}
    for name, (prepare, read) in _FUNCTIONS.items():
        codes = {int(code): meaning for code, meaning in table[name].pop("exit_codes", {}).items()}
        found[name] = Adapter(name=name, prepare=prepare, read=read, exit_codes=codes, **table[name])
    return found


ADAPTERS: Mapping[str, Adapter] = _read_adapters()
_NAMES = ", ".join([MIMO, *ADAPTERS, 'cmd:"COMMAND"'])


def command_adapter(line: str) -> Adapter:
    """The adapter of any command line, run by bash in the worktree; its input is in environment variables."""

    def prepare(request: AgentRequest) -> Launch:
        env = {
            "MIMO_TASK": request.prompt,
            "MIMO_TASK_FILE": request.at(_TASK),
            "MIMO_RULES_FILE": request.at(_RULES),
            "MIMO_TEST": request.test_command,
            "MIMO_MODEL": request.endpoint.model,
            "MIMO_BASE_URL": request.endpoint.base_url,
            "MIMO_REPORT_FILE": request.at(reports.COMMAND_REPORT),
        }
        return Launch(arguments=["-c", line], env=env, files={_TASK: request.prompt, _RULES: request.rules})

    return Adapter(
        name="cmd", program="bash", install="", prepare=prepare, read=reports.read_command, own_provider="none"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One candidate's agent; without an adapter it is git-mimo's own."""

    name: str
    adapter: Adapter | None = None


def parse_choices(texts: Sequence[str]) -> tuple[Choice, ...]:
    """Read `NAME`, `NAME:COUNT` and `cmd:COMMAND`, one agent for each candidate. UsageError lists the known ones."""
    found: list[Choice] = []
    for text in texts:
        if text.startswith(_COMMAND):
            line = text.removeprefix(_COMMAND)
            if not line.strip():
                raise UsageError("the agent's command is empty", hint="--agent 'cmd:./my-agent.sh'")
            found.append(Choice(name="cmd", adapter=command_adapter(line)))
            continue
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, times = part.partition(":")
            if name != MIMO and name not in ADAPTERS:
                raise UsageError(f"unknown agent: `{name}`", hint=f"one of: {_NAMES}")
            if times and not (re.fullmatch(r"\d{1,3}", times) and 1 <= int(times) <= _MOST):
                raise UsageError(f"not a number of candidates from 1 to {_MOST}: `{part}`", hint=f"--agent {name}:2")
            found += [Choice(name=name, adapter=ADAPTERS.get(name))] * int(times or 1)
    if len(found) > _MOST:
        raise UsageError(f"more than {_MOST} candidates: `{len(found)}`")
    return tuple(found)


def find_program(adapter: Adapter, path: str) -> Path | None:
    """The path of the agent's program on PATH; relative entries of PATH are ignored."""
    places = ":".join(place for place in path.split(":") if place.startswith("/"))
    found = shutil.which(adapter.program, path=places)
    return Path(found) if found else None


def require_program(adapter: Adapter, path: str) -> Path:
    """The agent's program; UsageError with the way to install it."""
    found = find_program(adapter, path)
    if found is None:
        raise UsageError(f"`{adapter.program}` is not on PATH: agent `{adapter.name}`", hint=adapter.install)
    return found
