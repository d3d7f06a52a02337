"""`git mimo config set|get|list|unset`: settings in git config, keys where the user's helper keeps them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_models, find_repository, json_option, load_config, offer
from gitmimo.config import OPTIONS, Option
from gitmimo.errors import RepoError, UsageError
from gitmimo.llm.providers import PROVIDERS, default_model

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository

complete_settings = offer(lambda context: sorted(option.name for option in OPTIONS.values()))
complete_providers = offer(lambda context: sorted(PROVIDERS))


@click.group("config")
def config_command() -> None:
    """Read and write settings.

    Order: flag, GIT_MIMO_* variable, git config mimo.*, .mimo/config.yaml, default.
    """


@config_command.command("set")
@click.argument("name", required=False, shell_complete=complete_settings)
@click.argument("values", nargs=-1)
@click.option("--provider", help="Provider by name: " + ", ".join(sorted(PROVIDERS)) + ".", metavar="NAME",
              shell_complete=complete_providers)  # fmt: skip
@click.option("--api-key", help="The provider's key; - reads it from stdin. Asked for on a terminal when left out.",
              metavar="KEY|-")  # fmt: skip
@click.option("--model", help="Model of the candidates, as litellm names it.", shell_complete=complete_models)
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
    Another provider than before drops the server's address that was set for that one.
    """
    repository = find_repository()
    if name is None and not (provider or api_key or model or base_url):
        raise UsageError("nothing to set", hint="git mimo config set --provider deepseek   # asks for its key")
    planned: list[tuple[str, tuple[str, ...], str]] = []
    if name is not None:
        key, given, default_scope = _check_option(name, values)
        planned.append((key, given, scope or (default_scope if repository else "global")))
    if provider is not None:
        _check_provider(provider)
        model = model or default_model(provider)
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise UsageError(f"the address must begin with http:// or https://: `{base_url}`")
    if scope == "local" and repository is None:
        raise UsageError("not in a repository", hint="git mimo config set --global NAME VALUE")
    owner = provider or (load_config(repository).text("provider") if api_key is not None else "")
    secret = _read_key(owner, api_key, asks=provider is not None)
    wanted = (("provider", provider), ("model", model), ("baseUrl", base_url))
    planned[:0] = [(setting, (value,), scope or "global") for setting, value in wanted if value]
    named = provider or next((given[0].partition("/")[0] for setting, given, _ in planned if setting == "model"), "")
    if named and base_url is None:
        _drop_foreign_address(named, repository)
    for setting, given, where in planned:
        _write(setting, given, where, repository)
    if secret:
        _store_key(owner, secret)
    return 0


def _store_key(owner: str, secret: str) -> None:
    from gitmimo.workflow.trust import store_key

    render.say(f"key of {owner} stored in {store_key(owner, secret)}")


def _read_key(owner: str, given: str | None, *, asks: bool) -> str:
    """The key to store: as given, from stdin, or asked for without echo; empty when there is none to store."""
    if given is not None:
        if not owner:
            raise UsageError("whose key is it?", hint="git mimo config set --provider NAME --api-key -")
        secret = sys.stdin.readline().strip() if given == "-" else given.strip()
        if not secret:
            raise UsageError("the key is empty")
        return secret
    from gitmimo.workflow.trust import find_key

    known = PROVIDERS.get(owner)
    if known is None or not known.key_page or not (asks and sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    if find_key(owner, os.environ):
        return ""
    return str(
        click.prompt(f"API key of {owner} ({known.key_page}), not shown; Enter skips", hide_input=True, default="",
                     show_default=False, err=True)
    ).strip()  # fmt: skip


def _drop_foreign_address(provider: str, repository: Repository | None) -> None:
    """Forget the configured server's address when the provider changes: its key would be sent there."""
    config = load_config(repository)
    before = config.text("provider") or next(iter(config.texts("model")), "").partition("/")[0]
    if before == provider or provider not in PROVIDERS:
        return
    from gitmimo.git.run import run_git

    for scope in ("local", "global") if repository else ("global",):
        found = run_git(["config", f"--{scope}", "--get", "mimo.baseUrl"], cwd=_directory(repository), check=False)
        if found.exit_code == 0:
            run_git(["config", f"--{scope}", "--unset-all", "mimo.baseUrl"], cwd=_directory(repository))
            render.say(f"mimo.baseUrl {found.text} is dropped ({scope}): it was the address for {before or 'another'}")


@config_command.command("get")
@click.argument("name", shell_complete=complete_settings)
@json_option
def get_command(name: str, as_json: bool) -> int:
    """Print the value in force; exit 1 when there is none."""
    option = _option(name)
    value = load_config(find_repository())[option.name]
    if as_json:
        return render.emit_json("config/1", {"name": option.name, "value": value})
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
    config = load_config(find_repository())
    settings = [config.settings[key] for key in sorted(config.settings)]
    if as_json:
        values = [{"name": s.option.name, "value": s.value, "origin": s.origin} for s in settings]
        return render.emit_json("config/1", {"settings": values})
    scopes = _scopes() if show_origin else {}
    for setting in settings:
        value = ", ".join(setting.value) if isinstance(setting.value, tuple) else _shown(setting.value)
        scope = scopes.get(f"mimo.{setting.option.name}".lower(), "")
        where = f"{setting.origin} ({scope})" if setting.origin == "git config" and scope else setting.origin
        origin = f"{where}\t" if show_origin else ""
        render.out(f"{origin}{setting.option.name}={value}")
    for model, price in sorted(config.prices.items()):
        render.out(f"{'git config' + chr(9) if show_origin else ''}price.{model}={price}")
    return 0


def _scopes() -> dict[str, str]:
    """The scope of git config that each of our keys comes from; of several the effective one."""
    from gitmimo.git.run import run_git

    asked = ["config", "--show-scope", "-z", "--get-regexp", r"^mimo\."]
    fields = run_git(asked, cwd=Path.cwd(), check=False).stdout.decode(errors="replace").split("\0")
    return {text.partition("\n")[0].lower(): scope for scope, text in zip(fields[::2], fields[1::2], strict=False)}


@config_command.command("unset")
@click.argument("name", required=False, shell_complete=complete_settings)
@click.option("--provider", help="Forget the provider's stored key.", metavar="NAME",
              shell_complete=complete_providers)  # fmt: skip
@click.option("--global", "scope", flag_value="global", help="In your global git config.")
@click.option("--local", "scope", flag_value="local", default=True, help="In this repository's git config (default).")
def unset_command(name: str | None, provider: str | None, scope: str) -> int:
    """Remove a setting from git config, or a provider's key."""
    from gitmimo.git.run import run_git
    from gitmimo.workflow.trust import find_key, forget_key

    if provider is not None:
        _check_provider(provider)
        had_one = find_key(provider, {}) is not None
        forget_key(provider)
        render.say(f"key of {provider} forgotten" if had_one else f"no key of {provider} was stored")
    if name is None:
        if provider is None:
            raise UsageError("nothing to unset", hint="git mimo config unset NAME")
        return 0
    repository = find_repository()
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


def _check_provider(name: str) -> None:
    if name not in PROVIDERS:
        raise UsageError(f"unknown provider `{name}`; known: {', '.join(sorted(PROVIDERS))}")


def _check_option(name: str, values: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
    """A setting's key in git config, its values and default scope; UsageError or ConfigError for a bad value."""
    from gitmimo.config import PRICE, WINDOW, model_key, parse_value
    from gitmimo.llm.providers import parse_price, parse_window

    for what, parse in ((PRICE, parse_price), (WINDOW, parse_window)):
        if name.startswith(f"{what}."):
            parse(" ".join(values))
            return model_key(name.removeprefix(f"{what}."), what), (" ".join(values),), "global"
    option = _option(name)
    if not values:
        raise UsageError(f"`{name}` needs a value")
    if option.kind != "list" and len(values) > 1:
        raise UsageError(f"`{name}` takes one value")
    parse_value(option, list(values) if option.kind == "list" else values[0], origin="command line")
    return option.name, values, "local"


def _write(name: str, values: tuple[str, ...], scope: str, repository: Repository | None) -> None:
    from gitmimo.git.run import run_git

    if scope == "local" and repository is None:
        raise UsageError("not in a repository", hint="git mimo config set --global NAME VALUE")
    key = f"mimo.{name}"
    where = _directory(repository)
    run_git(["config", f"--{scope}", "--unset-all", key], cwd=where, check=False)
    for value in values:
        run_git(["config", f"--{scope}", "--add", key, value], cwd=where)
    render.say(f"{key} = {', '.join(values)} ({scope})")


def _directory(repository: Repository | None) -> Path:
    return (repository.work_tree or repository.git_dir) if repository else Path.cwd()


def _option(name: str) -> Option:
    import difflib

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
