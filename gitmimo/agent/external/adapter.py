"""Adapters for other agents: how each program is started and how its report is read."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitmimo.errors import MimoError
from gitmimo.llm.providers import bare_model
from gitmimo.records import StopReason, Usage
from gitmimo.sandbox.files import read_inside

RULES = "rules.md"  # in the private home: the project's rules and memory
TASK = "task.md"
STDOUT = "stdout.out"  # what the program wrote to its standard output


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
    """The result of a run: its exit code, both outputs, and its private home, whose content is untrusted."""

    exit_code: int
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
    """The facts about one agent. `tested` says how: `real` against a model server, or `stand-in` by its documents."""

    name: str
    program: str
    install: str
    source: str  # where its command line and output are documented
    tested: str
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


def json_lines(text: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a JSON Lines text; other lines are ignored."""
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def json_object(text: str) -> Mapping[str, Any]:
    """The object that a text is, or that stands at its end after other lines; empty when there is none."""
    for start in (0, text.find("\n{") + 1):
        try:
            value = json.loads(text[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return {}


def part(value: Any, *names: str) -> Any:
    """A value deep in parsed JSON, None when the way there doesn't exist."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def count(value: Any) -> int:
    """A count that a program reported: never negative, zero if it is no number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return max(0, int(value)) if is_number and abs(value) < 1 << 53 else 0


def money(value: Any) -> float | None:
    """An amount that a program reported, None if it is no amount."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e6 else None


def text(value: Any) -> str:
    """A text that a program reported, empty if it is no text."""
    return value if isinstance(value, str) else ""
