"""What the commands share: the repository, the resolved configuration, and option declarations used twice."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gitmimo.cli.basics import json_option as json_option
from gitmimo.cli.basics import seconds as seconds
from gitmimo.cli.basics import session_argument as session_argument
from gitmimo.cli.basics import short as short
from gitmimo.cli.basics import tokens as tokens
from gitmimo.cli.basics import usd as usd
from gitmimo.config import Config, resolve
from gitmimo.errors import RepoError
from gitmimo.git.binary import run_git
from gitmimo.git.repository import Repository
from gitmimo.redact import file_cleaner, known_secrets


def open_repository() -> Repository:
    """The repository of the current directory, with a checkout."""
    repository = Repository.discover(Path.cwd())
    repository.require_work_tree()
    repository.clean_files_with(file_cleaner(known_secrets(os.environ)))
    return repository


def load_config(repository: Repository | None, flags: Mapping[str, Any] | None = None) -> Config:
    """Resolve the configuration once: flags, environment, git config, the committed file of HEAD, defaults."""
    return resolve(
        flags=flags or {},
        environ=os.environ,
        git_config=git_settings(repository),
        committed=committed_config(repository),
    )


def git_settings(repository: Repository | None) -> dict[str, list[str]]:
    """Every `mimo.*` value that git config holds here, keys in lower case without the prefix."""
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
            raise click.UsageError(f"cannot read `{path}`: {exc.strerror}") from exc
    return value


def stable(values: Sequence[str]) -> tuple[str, ...]:
    """Drop repeats, keep the order."""
    return tuple(dict.fromkeys(values))
