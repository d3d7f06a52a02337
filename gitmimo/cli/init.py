"""`git mimo init`: prepare a repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import open_repository
from gitmimo.errors import MimoError, UsageError
from gitmimo.hooks.install import EVENTS

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository


@click.command("init")
@click.option("--hooks", "action", flag_value="install", help="Install git hooks.")
@click.option("--unhook", "action", flag_value="remove", help="Remove them.")
def init_command(action: str | None) -> int:
    """Prepare this repository: write .mimo/ with a commented config. Nothing is committed, nothing is overwritten."""
    from gitmimo.cli.doctor import next_steps
    from gitmimo.workflow.memory_home import write_first_files

    repository = open_repository()
    checkout = repository.require_work_tree()
    if action is not None:
        return _change_hooks(repository, action)
    written = write_first_files(checkout)
    for name in written:
        render.say(f"wrote {name}")
    if not written:
        render.say("already prepared")
    for line in next_steps(repository, commit_first=bool(written)):
        render.hint(line)
    return 0


def _change_hooks(repository: Repository, action: str) -> int:
    """Install or remove; 2 when a hook has to be changed by hand."""
    from gitmimo.hooks.install import find_own_command, install_hooks, remove_hooks

    wanted = action == "install"
    changes = install_hooks(repository, command=find_own_command()) if wanted else remove_hooks(repository)
    for change in changes:
        render.say(f"{change.event}: {change.state} ({change.where})")
    for hint in dict.fromkeys(change.hint for change in changes if change.hint):
        render.hint(hint)
    return 2 if any(change.state == "by-hand" for change in changes) else 0


@click.command("hook", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("event", type=click.Choice(EVENTS))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook_command(event: str, arguments: tuple[str, ...]) -> int:
    """Answer a git hook: silent when all is well, 1 only when git must stop.

    Outside a repository that git-mimo knows it does nothing.
    """
    from gitmimo.git.repository import Repository
    from gitmimo.hooks.events import answer_hook

    try:
        repository = Repository.discover(Path.cwd())
        answer = answer_hook(repository, event, arguments, read_input=_read_input, environ=os.environ)
    except UsageError:
        raise
    except MimoError as exc:
        render.say(f"mimo {event}: {exc.message} (git goes on)")
        return 0
    for line in answer.lines:
        render.say(line)
    return answer.exit_code


def _read_input() -> str:
    return "" if sys.stdin.isatty() else sys.stdin.read()
