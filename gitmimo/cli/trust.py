"""`git mimo trust`: approve the commands and skills that a repository brings."""

import sys

import click

from gitmimo.cli import render
from gitmimo.cli.common import load_config, open_repository
from gitmimo.memory.library import read_library
from gitmimo.visible import visible
from gitmimo.workflow.trust import approve, brought_commands, digest_of, is_approved, withdraw


@click.command("trust")
@click.option("-y", "--yes", is_flag=True, help="Approve without asking.")
@click.option("--show", is_flag=True, help="Only show; exit 2 when something is not approved.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Forget all approvals of this repository.")
def trust_command(yes: bool, show: bool, withdrawn: bool) -> int:
    """Show the commands in .mimo/config.yaml and the runnable skills, and approve exactly this content.

    One byte changed asks again.
    """
    repository = open_repository()
    if withdrawn:
        render.say(f"{withdraw(repository)} approvals forgotten")
        return 0
    brought: dict[str, str] = {}  # digest -> what it is
    if commands := brought_commands(load_config(repository)):
        for name, values in commands.items():
            for value in values:
                render.out(f"{name}: {value}")
        brought[digest_of(commands)] = "commands " + ", ".join(commands)
    for skill in read_library(repository, repository.resolve("HEAD")).skills:
        if skill.is_runnable:
            render.out(f"skill {skill.name}: {skill.description}")
            for step in skill.procedure.steps if skill.procedure else ():
                render.out(f"  {visible(step.summary, newlines=False)}")
            brought[skill.digest] = f"skill {skill.name}"
    if not brought:
        render.say("this repository brings no commands and no runnable skills")
        return 0
    pending = {digest: what for digest, what in brought.items() if not is_approved(repository, digest)}
    for digest, what in brought.items():
        render.say(f"{what} ({digest[:12]}): {'not approved' if digest in pending else 'approved'}")
    if not pending:
        return 0
    if show:
        return 2
    if not yes:
        if not sys.stdin.isatty():
            render.say("nobody is here to ask")
            render.hint("git mimo trust --yes")
            return 2
        if not click.confirm("Run these in this repository from now on?", err=True):
            return 2
    for digest, what in pending.items():
        approve(repository, digest, what=what)
    render.say("approved")
    return 0
