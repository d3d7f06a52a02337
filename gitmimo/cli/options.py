"""Shared by the commands: options and arguments, opening the repository, loading the configuration."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from gitmimo.errors import MimoError, RepoError, UsageError

if TYPE_CHECKING:
    from gitmimo.config import Config, Option
    from gitmimo.git.repository import Repository
    from gitmimo.ids import Oid, SessionId
    from gitmimo.records import SessionResult

Listing = Callable[[click.Context], Iterable[str]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def offer(values: Listing) -> Completer:
    """Make click's callback of a function that lists values: those that begin as the word does, none on an error."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(value) for value in dict.fromkeys(values(context)) if value.startswith(incomplete)]
        except (MimoError, OSError):
            return []

    return complete


def complete_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell."""
    return [CompletionItem(incomplete, type="file")]


@offer
def complete_sessions(context: click.Context) -> Iterable[str]:
    """Ids, newest first."""
    from gitmimo.git.discovery import find_repository
    from gitmimo.workflow.directories import sessions_directory

    return sorted((path.name for path in sessions_directory(find_repository(Path.cwd())).iterdir()), reverse=True)


@offer
def complete_candidates(context: click.Context) -> Iterable[str]:
    """Numbers of the session that was typed before, else of all."""
    return sorted(_git_refs(4, f"refs/mimo/candidates/{context.params.get('session') or '*'}*/*"), key=int)


@offer
def complete_models(context: click.Context) -> Iterable[str]:
    """The models that are set, the embedded ones, and each provider's default."""
    from gitmimo.llm.local_models import list_models
    from gitmimo.llm.providers import PROVIDERS
    from gitmimo.workflow.directories import data_home

    embedded = [f"local/{model.name}" for model in list_models(data_home() / "models")]
    defaults = sorted({provider.default_model for provider in PROVIDERS.values() if provider.default_model})
    return [*_git("config", "--get-all", "mimo.model"), *embedded, *defaults]


complete_branches = offer(lambda context: _git_refs(2, "refs/heads"))
complete_revisions = offer(lambda context: ["HEAD", *_git_refs(2, "refs/heads", "refs/tags", "refs/remotes")])


def _git_refs(strip: int, *patterns: str) -> list[str]:
    return _git("for-each-ref", f"--format=%(refname:lstrip={strip})", *patterns)


def _git(*args: str) -> list[str]:
    from gitmimo.git.run import run_git

    return run_git(args, cwd=Path.cwd(), check=False).text.splitlines()


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
# where the command line differs from `--name-of-the-setting VALUE`
_SPELLING: Mapping[str, tuple[str, ...]] = {
    "model": ("-m", "--model"),
    "candidates": ("-n", "--candidates"),
    "agents": ("--agent",),
    "grants": ("--grant",),
    "unprotected": ("--allow-tests",),
}
_METAVAR = {
    "agents": "NAME[:COUNT]|cmd:COMMAND",
    "critic": "MODEL|none",
    "baseUrl": "URL",
    "budget": "USD",
    "grants": "WHAT",
    "unprotected": "PATH",
    "rayAddress": "ADDRESS",
}


def settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each of these settings; the parameter is called like the setting."""

    from gitmimo.config import OPTIONS

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = _setting(OPTIONS[name.lower()])(function)
        return function

    return decorate


def _setting(option: Option) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag = "--" + re.sub(r"(?=[A-Z])", "-", option.name).lower()
    meaning = option.meaning[:1].upper() + option.meaning[1:]
    if option.kind == "flag":
        return click.option(f"{flag}/--no-{flag[2:]}", option.name, default=None, help=f"{meaning}.")
    types: Mapping[str, click.ParamType[Any]] = {
        "choice": click.Choice(option.choices),
        "count": click.IntRange(
            min=int(option.minimum), max=None if math.isinf(option.maximum) else int(option.maximum)
        ),
        "number": click.FloatRange(min=0),
        "seconds": click.FloatRange(min=0, min_open=True),
    }
    metavars = {"count": "N", "seconds": "SECONDS"}
    if option.kind in types and isinstance(option.default, int | float):
        meaning += f" ({option.default:g})"
    return click.option(
        *_SPELLING.get(option.name, (flag,)),
        option.name,
        type=types.get(option.kind, click.STRING),
        multiple=option.kind == "list",
        metavar="CMD" if option.is_command else _METAVAR.get(option.name, metavars.get(option.kind)),
        help=meaning + ("; repeatable." if option.kind == "list" else "."),
        shell_complete=complete_models if option.name in ("model", "critic") else None,
    )


def session_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """A session, named by its id, a unique beginning of it, or a branch; the newest when absent."""
    return click.argument("session", required=False, shell_complete=complete_sessions)(function)


def target_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """A session and the number of one of its candidates; a lone number is one of the newest session."""
    number = click.argument("number", required=False, type=click.IntRange(min=0), shell_complete=complete_candidates)
    return session_argument(number(function))


def split_target(repository: Repository, session: str | None, number: int | None) -> tuple[SessionId, int | None]:
    """The session that is meant and the candidate of it; a lone number of one or two digits is a candidate's."""
    from gitmimo.workflow.journals import find_session

    if session and number is None and session.isdigit() and len(session) < 3:
        return find_session(repository, None), int(session)
    return find_session(repository, session), number


def open_session(name: str | None) -> tuple[Repository, SessionResult]:
    """The repository of the current directory, and the session of it that is meant."""
    return open_target(name, None)[:2]


def open_target(session: str | None, number: int | None) -> tuple[Repository, SessionResult, int | None]:
    """The repository of the current directory, the session of it and the candidate that are meant."""
    from gitmimo.workflow.journals import read_session

    repository = open_repository()
    found, number = split_target(repository, session, number)
    return repository, read_session(repository, found).result, number


def open_repository() -> Repository:
    """The repository of the current directory, with a checkout."""
    from gitmimo.git.repository import Repository
    from gitmimo.redact import known_secrets, secret_check

    repository = Repository.discover(Path.cwd())
    repository.require_work_tree()
    repository.content_check = secret_check(known_secrets(os.environ))
    return repository


def find_repository() -> Repository | None:
    """The repository of the current directory; None where git-mimo can't work with any."""
    from gitmimo.git.repository import Repository

    try:
        return Repository.discover(Path.cwd())
    except MimoError:
        return None


def load_config(
    repository: Repository | None, flags: Mapping[str, Any] | None = None, *, trusts_committed: bool = False
) -> Config:
    """Resolve the configuration once: flags, environment, git config, the committed file of HEAD, defaults.

    In a monorepo the current directory selects the project, unless something else does.
    `trusts_committed` takes the commands of the committed file as if they had been given as flags, so nobody is asked.
    """
    import logging

    from gitmimo.config import resolve
    from gitmimo.workflow.trust import brought_commands

    logging.basicConfig(level=logging.ERROR)  # libraries warn about what no user of ours can change; -v came first
    git_config, committed = git_settings(repository), committed_config(repository)
    given = dict(flags or {})
    config = resolve(flags=given, environ=os.environ, git_config=git_config, committed=committed)
    implied: dict[str, Any] = {name: config[name] for name in brought_commands(config)} if trusts_committed else {}
    if (directory := _directory_below(repository)) and not config.text("directory"):
        implied["directory"] = directory
    if not implied:
        return config
    return resolve(flags=given | implied, environ=os.environ, git_config=git_config, committed=committed)


def _directory_below(repository: Repository | None) -> str:
    """The current directory relative to the top of the checkout; empty at the top and outside."""
    top = repository.work_tree.resolve() if repository and repository.work_tree else None
    here = Path.cwd().resolve()
    return here.relative_to(top).as_posix().removeprefix(".") if top and here.is_relative_to(top) else ""


def open_memory() -> tuple[Repository, Config, Oid]:
    """The repository of the current directory, its configuration, and the commit that shows its notes and skills."""
    from gitmimo.workflow.memory_home import memory_view

    repository = open_repository()
    config = load_config(repository)
    return repository, config, memory_view(repository, config, repository.resolve("HEAD"))


def git_settings(repository: Repository | None) -> dict[str, list[str]]:
    """Every `mimo.*` value in git config here, keys in lower case without the prefix."""
    from gitmimo.git.run import run_git

    cwd = repository.work_tree or repository.git_dir if repository else Path.cwd()
    done = run_git(["config", "--includes", "-z", "--get-regexp", r"^mimo\."], cwd=cwd, check=False)
    found: dict[str, list[str]] = {}
    for record in done.stdout.decode(errors="replace").split("\0"):
        key, _, value = record.partition("\n")
        if key:
            found.setdefault(key.removeprefix("mimo.").lower(), []).append(value)
    return found


def committed_config(repository: Repository | None) -> str:
    """The text of `.mimo/config.yaml` in HEAD; empty when there is none."""
    if repository is None:
        return ""
    try:
        content = repository.read_blob(repository.resolve("HEAD"), ".mimo/config.yaml")
    except RepoError:
        return ""
    return (content or b"").decode(errors="replace")


def read_text_argument(value: str) -> str:
    """Read an option that takes TEXT, @FILE or - for stdin."""
    if value == "-":
        return sys.stdin.read()
    if value.startswith("@"):
        path = Path(value[1:])
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as exc:
            raise UsageError(f"cannot read `{path}`: {exc.strerror}") from exc
    return value
