"""`git mimo trust`: approve the commands that a repository brings."""

import sys

import click

from gitmimo.cli import render
from gitmimo.cli.common import load_config, open_repository
from gitmimo.workflow.trust import approve, brought_commands, digest_of, is_approved, withdraw


@click.command("trust")
@click.option("-y", "--yes", is_flag=True, help="Approve without asking.")
@click.option("--show", is_flag=True, help="Only show; exit 2 when something is not approved.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="Forget all approvals of this repository.")
def trust_command(yes: bool, show: bool, withdrawn: bool) -> int:
    """Show the commands in .mimo/config.yaml and approve exactly this content; a change asks again."""
    repository = open_repository()
    if withdrawn:
        render.say(f"{withdraw(repository)} approvals forgotten")
        return 0
    commands = brought_commands(load_config(repository))
    if not commands:
        render.say("this repository brings no commands")
        return 0
    digest = digest_of(commands)
    approved = is_approved(repository, digest)
    for name, values in commands.items():
        for value in values:
            render.out(f"{name}: {value}")
    render.say(f"content {digest[:12]}: {'approved' if approved else 'not approved'}")
    if approved:
        return 0
    if show:
        return 2
    if not yes:
        if not sys.stdin.isatty():
            render.say("nobody is here to ask")
            render.hint("git mimo trust --yes")
            return 2
        if not click.confirm("Run these commands in this repository from now on?", err=True):
            return 2
    approve(repository, digest, what=", ".join(commands))
    render.say("approved")
    return 0
