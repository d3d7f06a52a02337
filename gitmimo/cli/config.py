"""`git mimo config set|get|list|unset`: settings in git config, keys where the user's helper keeps them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.help import Group
from gitmimo.cli.options import json_option, load_config
from gitmimo.errors import RepoError, UsageError
from gitmimo.llm.provider_table import PROVIDERS

if TYPE_CHECKING:
    from gitmimo.config import Option
    from gitmimo.git.repository import Repository


@click.group("config", cls=Group)
def config_command() -> None:
    """Read and write settings.

    Order: flag, GIT_MIMO_* variable, git config mimo.*, .mimo/config.yaml, default.
    """


@config_command.command("set")
@click.argument("name", required=False)
@click.argument("values", nargs=-1)
@click.option("--provider", help="Provider by name: " + ", ".join(sorted(PROVIDERS)) + ".", metavar="NAME")
@click.option("--api-key", help="The provider's key; - reads it from stdin.", metavar="KEY|-")
@click.option("--model", help="Model of the candidates, as litellm names it.")
@click.option("--base-url", help="Address of an OpenAI-compatible server.", metavar="URL")
@click.option("--global", "scope", flag_value="global", help="For all your repositories (default for a provider).")
@click.option("--local", "scope", flag_value="local", help="For this repository (default for NAME VALUE).")
def set_command(
    name: str | None,
    values: tuple[str, ...],
    provider: str | None,
    api_key: str | None,
    model: str | None,
    base_url: str | None,
    scope: str | None,
) -> int:
    """Set NAME to VALUE (several for a list), or choose a provider.

    A key goes to git's credential helper where there is one, else to a file that only you can read; never into git.
    """
    from gitmimo.llm.provider_table import default_model
    from gitmimo.workflow.keys import store_key

    repository = _find_repository()
    if name is None and not (provider or api_key or model or base_url):
        raise UsageError("nothing to set", hint="git mimo config set --provider deepseek --api-key KEY")
    person_scope = scope or "global"
    if provider is not None:
        if provider not in PROVIDERS:
            raise UsageError(f"unknown provider `{provider}`; known: {', '.join(sorted(PROVIDERS))}")
        _write("provider", (provider,), person_scope, repository)
        if model is None and (found := default_model(provider)):
            _write("model", (found,), person_scope, repository)
            render.say(f"model: {found} (change it with --model)")
    if base_url is not None:
        if not base_url.startswith(("http://", "https://")):
            raise UsageError(f"the address must begin with http:// or https://: `{base_url}`")
        _write("baseUrl", (base_url,), person_scope, repository)
    if model is not None:
        _write("model", (model,), person_scope, repository)
    if api_key is not None:
        owner = provider or load_config(repository).text("provider")
        if not owner:
            raise UsageError("whose key is it?", hint="git mimo config set --provider NAME --api-key KEY")
        secret = sys.stdin.readline().strip() if api_key == "-" else api_key.strip()
        if not secret:
            raise UsageError("the key is empty")
        render.say(f"key of {owner} stored in {store_key(owner, secret)}")
    if name is not None:
        _set_option(name, values, scope, repository)
    return 0


@config_command.command("get")
@click.argument("name")
@json_option
def get_command(name: str, as_json: bool) -> int:
    """Print the value in force; exit 1 when there is none."""
    from gitmimo.codec import to_json

    option = _option(name)
    value = load_config(_find_repository())[option.name]
    if as_json:
        render.emit_json({"schema": "git-mimo/config/1", "name": option.name, "value": to_json(value)})
        return 0
    if value is None or value in ("", ()):
        return 1
    for line in value if isinstance(value, tuple) else (value,):
        render.out(_shown(line))
    return 0


@config_command.command("list")
@click.option("--show-origin", is_flag=True, help="Say where each value came from.")
@json_option
def list_command(show_origin: bool, as_json: bool) -> int:
    """List every setting with its value in force."""
    from gitmimo.codec import to_json

    config = load_config(_find_repository())
    settings = [config.settings[key] for key in sorted(config.settings)]
    if as_json:
        values = [{"name": s.option.name, "value": to_json(s.value), "origin": s.origin} for s in settings]
        render.emit_json({"schema": "git-mimo/config/1", "settings": values})
        return 0
    for setting in settings:
        value = ", ".join(setting.value) if isinstance(setting.value, tuple) else _shown(setting.value)
        origin = f"{setting.origin}\t" if show_origin else ""
        render.out(f"{origin}{setting.option.name}={value}")
    return 0


@config_command.command("unset")
@click.argument("name", required=False)
@click.option("--provider", help="Forget the provider's stored key.", metavar="NAME")
@click.option("--global", "scope", flag_value="global", help="In your global git config.")
@click.option("--local", "scope", flag_value="local", default=True, help="In this repository's git config (default).")
def unset_command(name: str | None, provider: str | None, scope: str) -> int:
    """Remove a setting from git config, or a provider's key."""
    from gitmimo.git.binary import run_git
    from gitmimo.workflow.keys import forget_key

    if provider is not None:
        forget_key(provider)
        render.say(f"key of {provider} forgotten")
    if name is None:
        if provider is None:
            raise UsageError("nothing to unset", hint="git mimo config unset NAME")
        return 0
    repository = _find_repository()
    option = _option(name)
    done = run_git(
        ["config", f"--{scope}", "--unset-all", f"mimo.{option.name}"], cwd=_directory(repository), check=False
    )
    if done.exit_code == 5:
        render.say(f"`mimo.{option.name}` is not set there")
        return 1
    if done.exit_code:
        raise RepoError(f"git could not unset `mimo.{option.name}`: {done.stderr.strip()}")
    return 0


def _set_option(name: str, values: tuple[str, ...], scope: str | None, repository: Repository | None) -> None:
    from gitmimo.config import parse_value, price_key
    from gitmimo.llm.prices import parse_price

    if name.startswith("price."):
        price = " ".join(values)
        parse_price(price)
        _write(price_key(name.removeprefix("price.")), (price,), scope or "global", repository)
        return
    option = _option(name)
    if not values:
        raise UsageError(f"`{name}` needs a value")
    if option.kind != "list" and len(values) > 1:
        raise UsageError(f"`{name}` takes one value")
    parse_value(option, list(values) if option.kind == "list" else values[0], origin="command line")
    _write(option.name, values, scope or ("local" if repository else "global"), repository)


def _write(name: str, values: tuple[str, ...], scope: str, repository: Repository | None) -> None:
    from gitmimo.git.binary import run_git

    if scope == "local" and repository is None:
        raise UsageError("not in a repository", hint="git mimo config set --global NAME VALUE")
    key = f"mimo.{name}"
    where = _directory(repository)
    run_git(["config", f"--{scope}", "--unset-all", key], cwd=where, check=False)
    for value in values:
        run_git(["config", f"--{scope}", "--add", key, value], cwd=where)


def _find_repository() -> Repository | None:
    from gitmimo.git.repository import Repository

    try:
        return Repository.discover(Path.cwd())
    except RepoError:
        return None


def _directory(repository: Repository | None) -> Path:
    return (repository.work_tree or repository.git_dir) if repository else Path.cwd()


def _option(name: str) -> Option:
    import difflib

    from gitmimo.config import OPTIONS

    option = OPTIONS.get(name.removeprefix("mimo.").lower())
    if option is None:
        near = difflib.get_close_matches(name.removeprefix("mimo."), [known.name for known in OPTIONS.values()])
        raise UsageError(
            f"unknown setting `{name}`" + (f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""),
            hint="git mimo config list",
        )
    return option


def _shown(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
