"""Configuration: one table of options, resolved from flags, environment, git config, the repository and defaults."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gitmimo.errors import ConfigError

if TYPE_CHECKING:
    import yaml

ENVIRONMENT_PREFIX = "GIT_MIMO_"


@dataclass(frozen=True, slots=True)
class Option:
    """One dial. `kind` is text, count, number, flag, seconds, choice or list; `is_command` means it runs code."""

    name: str
    kind: str
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()
    is_command: bool = False
    minimum: float = 0
    maximum: float = math.inf
    from_repository: bool = True  # whether a committed `.mimo/config.yaml` may set it

    @property
    def variable(self) -> str:
        """The environment variable that sets this option."""
        return ENVIRONMENT_PREFIX + re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", self.name).upper()


_OF_THE_PROJECT = (
    Option("candidates", "count", 3, "candidates at the most", minimum=1, maximum=64),
    Option("agentTimeout", "seconds", 1800.0, "limit of one run of another agent's program"),
    Option("fanout", "choice", "auto", "auto: candidate 1 first, the others until one is settled; all: together",
           choices=("auto", "all")),
    Option("effort", "choice", "normal",
           "when to stop: low after one candidate, normal after two that brought nothing, or a small model's first "
           "that passes, high after all",
           choices=("low", "normal", "high")),
    Option("strategy", "choice", "auto", "how candidates work", choices=("auto", "shell", "patch", "list")),
    Option("protocol", "choice", "auto", "how models say what to do", choices=("auto", "tools", "text")),
    Option("test", "text", "", "command that runs the test suite", is_command=True),
    Option("directory", "text", "", "project of a monorepo that is tested, as a path"),
    Option("setup", "text", "", "command that prepares a fresh tree", is_command=True),
    Option("accept", "list", (), "commands that must exit 0 on the product", is_command=True),
    Option("testTimeout", "seconds", 600.0, "limit of one run of the test suite"),
    Option("hangAfter", "seconds", 20.0, "a test that takes longer, and ten times as long as the others, hangs"),
    Option("commandTimeout", "seconds", 120.0, "limit of one command of an agent"),
    Option("maxSteps", "count", 60, "steps a candidate may take", minimum=1),
    Option("timeout", "seconds", 3600.0, "limit of a whole session"),
    Option("skills", "flag", True, "run approved scripts that fit before any model"),
    Option("memory.home", "choice", "committed",
           "where notes and skills live: in the tree, on `refs/mimo/memory`, or in this clone alone",
           choices=("committed", "ref", "local")),
    Option("dream", "choice", "auto", "whether `start` ends with a dream", choices=("auto", "off")),
    Option("protected", "list", (), "further protected paths, as globs"),
    Option("branchPrefix", "text", "mimo", "first part of branch names"),
    Option("worktree.copy", "list", (), "ignored files to copy into worktrees"),
    Option("worktree.link", "list", (), "ignored files to link into worktrees"),
)  # fmt: skip
# what belongs to the person: models, money, sandbox, and what may be accepted without them
_OF_THE_PERSON = (
    Option("model", "list", (), "model of the candidates, as litellm names it"),
    Option("models", "list", (),
           "escalation ladder: candidates start with the first, the next fan-out uses the stronger"),
    Option("critic", "text", "", "model that reviews the diffs, or `none`"),
    Option("provider", "text", "", "provider by name"),
    Option("baseUrl", "text", "", "address of an OpenAI-compatible server"),
    Option("llm", "choice", "auto", "how OpenAI-compatible servers are called", choices=("auto", "litellm")),
    Option("agents", "list", (),
           "who works: mimo, aider, claude, codex, mini, opencode or cmd:COMMAND, `:2` for two"),
    Option("parallel", "flag", False, "a model server on this machine answers several candidates at once"),
    Option("ignoreFailing", "flag", False, "the task is not about the tests that fail now"),
    Option("trustTests", "flag", False, "a change that passes the tests needs nothing else to be merged"),
    Option("budget", "number", None, "USD a session may spend"),
    Option("budget.candidate", "number", None, "USD a candidate may spend"),
    Option("budget.day", "number", None, "USD a day"),
    Option("budget.month", "number", None, "USD a month"),
    Option("maxTokens", "count", None, "tokens a session may use", minimum=1),
    Option("maxTokens.candidate", "count", None, "tokens a candidate may use", minimum=1),
    Option("merge", "flag", False, "merge the winner into the current branch at the end of `start`"),
    Option("operation", "flag", False, "commands are the work; --accept says whether it worked"),
    Option("grants", "list", (), "what an operation may reach: network, docker, dir:PATH, service:SOCKET"),
    Option("sandbox", "choice", "auto", "where commands and tests run", choices=("auto", "bwrap", "landlock", "none")),
    Option("sandbox.network", "flag", False, "let sandboxed commands use the network"),
    Option("unprotected", "list", (), "tests and other protected paths that a candidate may change, as globs"),
    Option("executor", "choice", "local", "where candidates work and are judged", choices=("local", "ray")),
    Option("rayAddress", "text", "",
           "Ray cluster to use, for example `auto`; without one Ray's own choice, or a new one"),
    Option("local.linger", "number", 600.0, "seconds that the local model's server is kept between commands"),
    Option("local.context", "count", 8192, "window of the local model", minimum=512),
    Option("mcp.start", "flag", False, "let tools that are connected over MCP ask for sessions"),
)  # fmt: skip
OPTIONS: Mapping[str, Option] = {
    option.name.lower(): option
    for option in (*_OF_THE_PROJECT, *(replace(option, from_repository=False) for option in _OF_THE_PERSON))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option's value and where it came from."""

    option: Option
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Every option, resolved; prices and windows by model. Reading an unknown name is a programming error."""

    settings: Mapping[str, Setting]
    prices: Mapping[str, str]
    windows: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.settings[name.lower()].value

    def text(self, name: str) -> str:
        """The value of a text or choice option."""
        return str(self[name])

    def texts(self, name: str) -> tuple[str, ...]:
        """The value of a list option."""
        return tuple(self[name])

    def count(self, name: str) -> int:
        """The value of a count option that has a default."""
        return int(self[name])

    def number(self, name: str) -> float | None:
        """The value of a number or seconds option, None when unlimited."""
        value = self[name]
        return None if value is None else float(value)

    def seconds(self, name: str) -> float:
        """The value of a seconds option, which always has a default."""
        return float(self[name])

    def origin(self, name: str) -> str:
        """Where the value came from: `flag`, `environment`, `git config`, `.mimo/config.yaml` or `default`."""
        return self.settings[name.lower()].origin


def resolve(
    *,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    git_config: Mapping[str, Sequence[str]],
    committed: str = "",
) -> Config:
    """Merge the sources; the first that names an option wins.

    `flags` holds values as click gives them, None for absent. `git_config` holds `mimo.*` keys in lower case, without
    the prefix. `committed` is the text of `.mimo/config.yaml`. An unknown key or a value of the wrong form raises
    ConfigError that names the source; unknown `mimo.*` keys in git config are left alone, other tools may own them.
    """
    repository = _parse_committed(committed)
    given = {name.lower(): value for name, value in flags.items() if value is not None and value != ()}
    settings = {}
    for key, option in OPTIONS.items():
        of_git = git_config.get(key)
        sources: list[tuple[str, Any]] = [
            ("flag", given.get(key)),
            (f"environment {option.variable}", environ.get(option.variable) or None),
            ("git config", list(of_git) if of_git and option.kind == "list" else of_git and of_git[-1]),
            (".mimo/config.yaml", repository.get(key)),
        ]
        origin, raw = next((source for source in sources if source[1] is not None), ("default", None))
        value = option.default if origin == "default" else parse_value(option, raw, origin=origin)
        settings[key] = Setting(option=option, value=value, origin=origin)
    return Config(settings, _by_model(git_config, PRICE), _by_model(git_config, WINDOW))


PRICE, WINDOW = "price", "window"  # what is set for each model by itself


def model_key(model: str, what: str) -> str:
    """The key of a model's price or window in git config, below `mimo.`: only in its middle a key may hold a slash."""
    return f"{model}.{what}"


def _by_model(git_config: Mapping[str, Sequence[str]], what: str) -> dict[str, str]:
    found = {}
    for key, values in git_config.items():
        if key.startswith(f"{what}."):
            found[key.removeprefix(f"{what}.")] = values[-1]
        elif key.endswith(model_key("", what)):
            found[key.removesuffix(model_key("", what))] = values[-1]
    return found


def parse_value(option: Option, raw: Any, *, origin: str) -> Any:
    """Turn what was written into the option's type; ConfigError says which option, where, and what was expected."""
    match option.kind:
        case "text":
            if isinstance(raw, (str, int, float)) and not isinstance(raw, bool):
                return str(raw).strip()
        case "choice":
            if str(raw) in option.choices:
                return str(raw)
            raise _bad(option, raw, origin, "one of " + ", ".join(f"`{choice}`" for choice in option.choices))
        case "list":
            return _parse_list(option, raw, origin)
        case "flag":
            if isinstance(raw, bool):
                return raw
            if str(raw).lower() in ("true", "yes", "on", "1", "false", "no", "off", "0", ""):
                return str(raw).lower() in ("true", "yes", "on", "1")
        case "count":
            if re.fullmatch(r"\d{1,15}", str(raw)) and option.minimum <= int(raw) <= option.maximum:
                return int(raw)
            most = f" and at most {option.maximum}" if option.maximum < math.inf else ""
            raise _bad(option, raw, origin, f"a whole number of at least {int(option.minimum)}{most}")
        case "number" | "seconds":
            try:
                value = float(raw)
            except (TypeError, ValueError):
                value = -1.0
            if option.minimum <= value < float("inf") and not (option.kind == "seconds" and value == 0):
                return value
            raise _bad(option, raw, origin, "a number above zero" if option.kind == "seconds" else "zero or more")
    raise _bad(option, raw, origin, "true or false" if option.kind == "flag" else "text")


def _parse_list(option: Option, raw: Any, origin: str) -> tuple[str, ...]:
    if isinstance(raw, str):
        # a command may hold commas; a name or a path list may be written in one value
        parts = [raw] if option.is_command else raw.split(",")
    elif isinstance(raw, (list, tuple)) and all(isinstance(item, str) for item in raw):
        parts = list(raw)
    else:
        raise _bad(option, raw, origin, "a list of texts")
    return tuple(part.strip() for part in parts if part.strip())


def _bad(option: Option, raw: Any, origin: str, expected: str) -> ConfigError:
    return ConfigError(
        f"bad value for `mimo.{option.name}` ({origin}), expected {expected}: `{str(raw)[:80]}`",
        hint=f"git mimo config set {option.name} VALUE",
    )


def _parse_committed(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    import yaml

    if len(text) > 65_536:
        raise ConfigError("`.mimo/config.yaml` is larger than 64 KiB")
    try:
        if any(isinstance(token, (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)) for token in yaml.scan(text)):
            raise ConfigError("`.mimo/config.yaml` uses tags, anchors or aliases, which are not allowed there")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise ConfigError("`.mimo/config.yaml` must hold a mapping of options")
        pairs = list(_flatten(root))
    except yaml.YAMLError as exc:
        raise ConfigError(f"`.mimo/config.yaml` is not valid YAML: {' '.join(str(exc).split())}") from exc
    flat = dict(pairs)
    for key in flat:
        if [name for name, _ in pairs].count(key) > 1:
            raise ConfigError(f"`.mimo/config.yaml` sets an option twice: `{key}`")
        option = OPTIONS.get(key)
        if option is None:
            raise ConfigError(
                f"unknown option in `.mimo/config.yaml`: `{key}`", hint="git mimo config list shows every option"
            )
        if not option.from_repository:
            raise ConfigError(
                f"`.mimo/config.yaml` may not set `{option.name}`: it belongs to the person, not to the repository",
                hint=f"git mimo config set {option.name} VALUE",
            )
    return flat


def _flatten(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every option that a document sets, by its whole name in lower case; one that is set twice comes twice."""
    import yaml

    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name = f"{prefix}{key.value}".lower()
        if isinstance(value, yaml.MappingNode):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, yaml.SafeLoader("").construct_object(value, deep=True)
