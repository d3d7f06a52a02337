"""Configuration: one table of options, resolved from flags, environment, git config, the repository and defaults."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gitmimo.errors import ConfigError

ENVIRONMENT_PREFIX = "GIT_MIMO_"


@dataclass(frozen=True, slots=True, kw_only=True)
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


OPTIONS: Mapping[str, Option] = {
    option.name.lower(): option
    for option in (
        Option(
            name="model", kind="list", default=(), meaning="model of the candidates, as litellm names it",
            from_repository=False,
        ),
        Option(
            name="models", kind="list", default=(), from_repository=False,
            meaning="escalation ladder: candidates start with the first, the next fan-out uses the stronger",
        ),
        Option(name="model.plan", kind="text", default="", meaning="model of the planning call", from_repository=False),
        Option(name="model.dream", kind="text", default="", meaning="model of the dream", from_repository=False),
        Option(
            name="critic", kind="text", default="", meaning="model that reviews the diffs, or `none`",
            from_repository=False,
        ),
        Option(name="provider", kind="text", default="", meaning="provider by name", from_repository=False),
        Option(
            name="baseUrl", kind="text", default="", meaning="address of an OpenAI-compatible server",
            from_repository=False,
        ),
        Option(
            name="llm", kind="choice", default="auto", choices=("auto", "direct", "litellm"), from_repository=False,
            meaning="how OpenAI-compatible servers are called",
        ),
        Option(name="candidates", kind="count", default=3, minimum=1, maximum=64, meaning="candidates at the most"),
        Option(name="agents", kind="list", default=(), from_repository=False,
               meaning="who works: mimo, aider, claude, codex, gemini, mini, opencode or cmd:COMMAND, `:2` for two"),
        Option(name="agentTimeout", kind="seconds", default=1800.0,
               meaning="limit of one run of another agent's program"),
        Option(
            name="fanout", kind="choice", default="auto", choices=("auto", "all"),
            meaning="auto: candidate 1 first, the others until one is settled; all: together",
        ),
        Option(
            name="effort", kind="choice", default="normal", choices=("low", "normal", "high"),
            meaning="when to stop: low after one candidate that brought nothing, normal after two, high after all",
        ),
        Option(name="parallel", kind="flag", default=False, from_repository=False,
               meaning="a model server on this machine answers several candidates at once"),
        Option(name="strategy", kind="choice", default="auto", choices=("auto", "shell", "patch", "list"),
               meaning="how candidates work"),
        Option(name="protocol", kind="choice", default="auto", choices=("auto", "tools", "text"),
               meaning="how models say what to do"),
        Option(name="test", kind="text", default="", is_command=True, meaning="command that runs the test suite"),
        Option(name="directory", kind="text", default="", meaning="project of a monorepo that is tested, as a path"),
        Option(name="setup", kind="text", default="", is_command=True, meaning="command that prepares a fresh tree"),
        Option(name="accept", kind="list", default=(), is_command=True,
               meaning="commands that must exit 0 on the product"),
        Option(name="ignoreFailing", kind="flag", default=False, from_repository=False,
               meaning="the task is not about the tests that fail now"),
        Option(name="trustTests", kind="flag", default=False, from_repository=False,
               meaning="a change that passes the tests needs nothing else to be merged"),
        Option(name="testTimeout", kind="seconds", default=600.0, meaning="limit of one run of the test suite"),
        Option(name="hangAfter", kind="seconds", default=20.0,
               meaning="a test that takes longer, and ten times as long as the others, hangs"),
        Option(name="commandTimeout", kind="seconds", default=120.0, meaning="limit of one command of an agent"),
        Option(name="budget", kind="number", default=None, meaning="USD a session may spend", from_repository=False),
        Option(name="budget.candidate", kind="number", default=None, meaning="USD a candidate may spend",
               from_repository=False),
        Option(name="budget.day", kind="number", default=None, meaning="USD a day", from_repository=False),
        Option(name="budget.month", kind="number", default=None, meaning="USD a month", from_repository=False),
        Option(name="maxTokens", kind="count", default=None, minimum=1, meaning="tokens a session may use",
               from_repository=False),
        Option(name="maxTokens.candidate", kind="count", default=None, minimum=1, meaning="tokens a candidate may use",
               from_repository=False),
        Option(name="rate.requests", kind="count", default=None, minimum=1, meaning="requests a minute per provider",
               from_repository=False),
        Option(name="rate.tokens", kind="count", default=None, minimum=1, meaning="tokens a minute per provider",
               from_repository=False),
        Option(name="maxSteps", kind="count", default=60, minimum=1, meaning="steps a candidate may take"),
        Option(name="timeout", kind="seconds", default=3600.0, meaning="limit of a whole session"),
        Option(name="merge", kind="flag", default=False, from_repository=False,
               meaning="merge the winner into the current branch at the end of `start`"),
        Option(name="operation", kind="flag", default=False, from_repository=False,
               meaning="commands are the work; --accept says whether it worked"),
        Option(name="grants", kind="list", default=(), from_repository=False,
               meaning="what an operation may reach: network, docker, dir:PATH, service:SOCKET"),
        Option(name="skills", kind="flag", default=True, meaning="run approved scripts that fit before any model"),
        Option(name="memory.home", kind="choice", default="committed", choices=("committed", "ref", "local"),
               meaning="where notes and skills live: in the tree, on `refs/mimo/memory`, or in this clone alone"),
        Option(name="dream", kind="choice", default="auto", choices=("auto", "off"),
               meaning="whether `start` ends with a dream"),
        Option(name="sandbox", kind="choice", default="auto",
               choices=("auto", "bwrap", "landlock", "none"), meaning="where commands and tests run",
               from_repository=False),
        Option(name="sandbox.network", kind="flag", default=False, meaning="let sandboxed commands use the network",
               from_repository=False),
        Option(name="protected", kind="list", default=(), meaning="further protected paths, as globs"),
        Option(name="unprotected", kind="list", default=(), from_repository=False,
               meaning="tests and other protected paths that a candidate may change, as globs"),
        Option(name="executor", kind="choice", default="local", choices=("local", "ray"), from_repository=False,
               meaning="where candidates work and are judged"),
        Option(name="rayAddress", kind="text", default="", from_repository=False,
               meaning="Ray cluster to use, for example `auto`; without one Ray's own choice, or a new one"),
        Option(name="branchPrefix", kind="text", default="mimo", meaning="first part of branch names"),
        Option(name="worktreeDir", kind="text", default="", meaning="where worktrees are made", from_repository=False),
        Option(name="worktree.copy", kind="list", default=(), meaning="ignored files to copy into worktrees"),
        Option(name="worktree.link", kind="list", default=(), meaning="ignored files to link into worktrees"),
        Option(name="local.linger", kind="number", default=600.0, from_repository=False,
               meaning="seconds that the local model's server is kept between commands"),
        Option(name="local.context", kind="count", default=8192, minimum=512, meaning="window of the local model",
               from_repository=False),
        Option(name="mcp.start", kind="flag", default=False, from_repository=False,
               meaning="let tools that are connected over MCP ask for sessions"),
        Option(name="notify", kind="text", default="", is_command=True, from_repository=False,
               meaning="command that runs when a session ends"),
    )
}  # fmt: skip


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
        if key in given:
            setting = Setting(option=option, value=parse_value(option, given[key], origin="flag"), origin="flag")
        elif environ.get(option.variable, ""):
            origin = f"environment {option.variable}"
            setting = Setting(
                option=option, value=parse_value(option, environ[option.variable], origin=origin), origin=origin
            )
        elif key in git_config:
            values = git_config[key]
            raw: Any = list(values) if option.kind == "list" else values[-1]
            setting = Setting(option=option, value=parse_value(option, raw, origin="git config"), origin="git config")
        elif key in repository:
            origin = ".mimo/config.yaml"
            setting = Setting(option=option, value=parse_value(option, repository[key], origin=origin), origin=origin)
        else:
            setting = Setting(option=option, value=option.default, origin="default")
        settings[key] = setting
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
    if len(text) > 65_536:
        raise ConfigError("`.mimo/config.yaml` is larger than 64 KiB")
    try:
        if any(isinstance(token, (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)) for token in yaml.scan(text)):
            raise ConfigError("`.mimo/config.yaml` uses tags, anchors or aliases, which are not allowed there")
        names = Counter(_option_names(yaml.compose(text, Loader=yaml.SafeLoader)))
        if twice := next((name for name, count in names.items() if count > 1), ""):
            raise ConfigError(f"`.mimo/config.yaml` sets an option twice: `{twice}`")
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ConfigError(f"`.mimo/config.yaml` is not valid YAML: {' '.join(str(exc).split())}") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError("`.mimo/config.yaml` must hold a mapping of options")
    flat = _flatten(document)
    for key in flat:
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


def _option_names(node: yaml.Node | None, prefix: str = "") -> Iterator[str]:
    """The options that a document sets, as `_flatten` names them; one that is set twice comes twice."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name = f"{prefix}{key.value}".lower()
        if isinstance(value, yaml.MappingNode):
            yield from _option_names(value, f"{name}.")
        else:
            yield name


def _flatten(document: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}".lower()
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat
