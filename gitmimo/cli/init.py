"""`git mimo init|trust` and the hidden `hook`: prepare a repository, approve what it brings, answer its hooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import load_config, open_repository
from gitmimo.errors import MimoError, UsageError
from gitmimo.text import escape_controls

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository


@click.command("init")
@click.option("--hooks", "action", flag_value="install", help="Install git hooks.")
@click.option("--unhook", "action", flag_value="remove", help="Remove them.")
def init_command(action: str | None) -> int:
    """Prepare this repository: write .mimo/ with a commented config. Nothing is committed, nothing is overwritten."""
    from gitmimo.workflow.memory_home import write_first_files

    repository = open_repository()
    checkout = repository.require_work_tree()
    if action is not None:
        return _change_hooks(repository, action)
    written = write_first_files(checkout)
    for name in written:
        render.say(f"wrote {name}")
    if written:
        render.hint("git add .mimo && git commit -m 'mimo: project memory and defaults'")
    else:
        render.say("already prepared")
    render.hint("git mimo doctor   # what is still missing")
    return 0


def _change_hooks(repository: Repository, action: str) -> int:
    """Install or remove; 2 when a hook has to be changed by hand."""
    from gitmimo.hooks import find_own_command, install_hooks, remove_hooks

    wanted = action == "install"
    changes = install_hooks(repository, command=find_own_command()) if wanted else remove_hooks(repository)
    for change in changes:
        render.say(f"{change.event}: {change.state} ({change.where})")
    for hint in dict.fromkeys(change.hint for change in changes if change.hint):
        render.hint(hint)
    return 2 if any(change.state == "by-hand" for change in changes) else 0


@click.command("hook", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("event")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook_command(event: str, arguments: tuple[str, ...]) -> int:
    """Answer a git hook: silent when all is well, 1 only when git must stop.

    Outside a repository that git-mimo knows it does nothing.
    """
    from gitmimo.git.repository import Repository
    from gitmimo.hooks import answer_hook

    try:
        repository = Repository.discover(Path.cwd())
        exit_code, lines = answer_hook(repository, event, arguments, read_input=_read_input, environ=os.environ)
    except UsageError:
        raise
    except MimoError as exc:
        render.say(f"mimo {event}: {exc.message} (git goes on)")
        return 0
    for line in lines:
        render.say(line)
    return exit_code


def _read_input() -> str:
    return "" if sys.stdin.isatty() else sys.stdin.read()


@click.command("trust")
@click.option("-y", "--yes", is_flag=True, help="Approve without asking.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Forget all approvals of this repository.")
def trust_command(yes: bool, withdrawn: bool) -> int:
    """Show the commands in .mimo/config.yaml and the scripts of skills, and approve exactly this content.

    One byte changed asks again. Exit 2 while something is not approved.
    """
    from gitmimo.workflow.trust import approve, is_approved, withdraw

    repository = open_repository()
    if withdrawn:
        render.say(f"{withdraw(repository)} approvals forgotten")
        return 0
    brought, lines = _content_to_approve(repository)
    for line in lines:
        render.out(line)
    pending = {digest: what for digest, what in brought.items() if not is_approved(repository, digest)}
    for digest, what in brought.items():
        render.say(f"{what} ({digest[:12]}): {'not approved' if digest in pending else 'approved'}")
    if not brought:
        render.say("this repository brings no commands and no scripts of skills")
    if not pending:
        return 0
    if not (yes or _agrees()):
        return 2
    for digest, what in pending.items():
        approve(repository, digest, what=what)
    render.say("approved")
    return 0


def _agrees() -> bool:
    if not sys.stdin.isatty():
        render.say("nobody is here to ask")
        render.hint("git mimo trust --yes")
        return False
    return click.confirm("Run these in this repository from now on?", err=True)


def _content_to_approve(repository: Repository) -> tuple[dict[str, str], list[str]]:
    """The content that needs approval, by digest, and the lines that show all of it."""
    from gitmimo.memory.skill_file import read_library
    from gitmimo.workflow.memory_home import memory_view
    from gitmimo.workflow.trust import brought_commands, digest_of

    brought: dict[str, str] = {}
    lines: list[str] = []
    config = load_config(repository)
    if commands := brought_commands(config):
        lines += [f"{name}: {value}" for name, values in commands.items() for value in values]
        brought[digest_of(commands)] = "commands " + ", ".join(commands)
    for skill in read_library(repository, memory_view(repository, config, repository.resolve("HEAD"))).skills:
        if skill.script is not None:
            lines.append(f"skill {skill.name}: {skill.description}")
            lines += [f"  {line}" for line in escape_controls(skill.script).splitlines()]
            brought[skill.digest] = f"skill {skill.name}"
    return brought, lines
