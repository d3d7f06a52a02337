"""`git mimo trust`: approve the commands and skills that a repository brings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import load_config, open_repository
from gitmimo.text import escape_controls

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository


@click.command("trust")
@click.option("-y", "--yes", is_flag=True, help="Approve without asking.")
@click.option("--show", is_flag=True, help="Only show; exit 2 when something is not approved.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Forget all approvals of this repository.")
def trust_command(yes: bool, show: bool, withdrawn: bool) -> int:
    """Show the commands in .mimo/config.yaml and the scripts of skills, and approve exactly this content.

    One byte changed asks again.
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
    if show or not (yes or _agrees()):
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
