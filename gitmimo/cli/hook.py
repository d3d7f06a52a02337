"""`git mimo hook`: what the installed git hooks call."""

import os
import sys
from pathlib import Path

import click

from gitmimo.cli import render
from gitmimo.errors import MimoError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.hooks.events import answer_hook
from gitmimo.hooks.install import EVENTS


@click.command("hook", context_settings={"ignore_unknown_options": True})
@click.argument("event", type=click.Choice(EVENTS))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook_command(event: str, arguments: tuple[str, ...]) -> int:
    """Answer a git hook: silent when all is well, 1 only when git must stop.

    Outside a repository that git-mimo knows it does nothing.
    """
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
