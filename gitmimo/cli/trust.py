"""`git mimo trust`: approve the commands and skills that a repository brings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, load_config, open_repository
from gitmimo.text import escape_controls

if TYPE_CHECKING:
    from gitmimo.git.repository import Repository


@click.command("trust")
@click.option("-y", "--yes", is_flag=True, help="Approve without asking.")
@click.option("--show", is_flag=True, help="Only show; exit 2 when something is not approved.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Forget all approvals of this repository.")
@json_option
def trust_command(yes: bool, show: bool, withdrawn: bool, as_json: bool) -> int:
    """Show the commands in .mimo/config.yaml and the scripts of skills, and approve exactly this content.

    One byte changed asks again. With --json nothing is asked: it shows, and with --yes it approves.
    """
    from gitmimo.workflow.trust import approve, is_approved, withdraw

    repository = open_repository()
    if withdrawn:
        count = withdraw(repository)
        if not as_json:
            render.say(f"{count} approvals forgotten")
            return 0
    brought, lines = _content_to_approve(repository)
    if not as_json:
        for line in lines:
            render.out(line)
        for digest, what in brought.items():
            is_known = is_approved(repository, digest)
            render.say(f"{what} ({digest[:12]}): {'approved' if is_known else 'not approved'}")
    pending = {digest: what for digest, what in brought.items() if not is_approved(repository, digest)}
    agreed = bool(pending) and not show and (yes or (not as_json and _agrees()))
    for digest, what in pending.items() if agreed else ():
        approve(repository, digest, what=what)
    if as_json:
        values = [{"what": w, "digest": d, "approved": is_approved(repository, d)} for d, w in brought.items()]
        render.emit_json({"schema": "git-mimo/trust/1", "brought": values, "shown": lines})
    elif not brought:
        render.say("this repository brings no commands and no scripts of skills")
    elif agreed:
        render.say("approved")
    return 2 if pending and not agreed and not withdrawn else 0


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
