"""What is known about an agent: how its program is started, what it is given, and what it reports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.errors import MimoError
from gitmimo.llm.providers import bare_model
from gitmimo.records import StopReason, Usage
from gitmimo.sandbox.files import read_inside

STDOUT = "stdout.out"  # in the private home: what the program wrote to its standard output


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
    is_small: bool = False

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
    files: Sequence[str] = ()  # that the failing tests and the task point at, best first
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
class AgentRun:
    """The result of a run: both outputs, and its private home, whose content is untrusted."""

    errors: str
    home: Path

    def read(self, name: str) -> str:
        """A file of the private home as text; empty when it is not there, too large or not a plain file."""
        try:
            return (read_inside(self.home, name) or b"").decode(errors="replace")
        except MimoError:
            return ""

    @property
    def stdout(self) -> str:
        """The program's standard output."""
        return self.read(STDOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """A program's report of its run; None where it has no value. `usage.prompt` includes the cached tokens."""

    usage: Usage | None = None
    usd: float | None = None
    calls: int = 0
    summary: str = ""
    ending: StopReason | None = None  # where the exit code does not say it
    problem: str = ""  # why it ended badly, in its own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The facts about one agent."""

    name: str
    program: str
    install: str
    launch: Callable[[AgentRequest], Launch]
    read: Callable[[AgentRun], AgentReport]
    providers: Sequence[str] = ()  # whose models it can use; empty: any
    own_provider: str = ""  # whose key it takes when it chooses the model itself; empty: it needs a model
    logins: Sequence[str] = ()  # files below HOME that hold its login, copied when no key is known
    leftovers: Sequence[str] = ()  # what it leaves behind at the top of the tree, as globs
    exit_codes: Mapping[int, str] = field(default_factory=dict)
    wants_files: bool = False  # a small model needs the names of the files to change

    def takes(self, provider: str) -> bool:
        """Whether it can use a model of this provider."""
        return not self.providers or provider in self.providers
