"""`git mimo init`: prepare a repository."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import open_repository
from gitmimo.git.repository import Repository
from gitmimo.hooks.install import find_own_command, install_hooks, remove_hooks
from gitmimo.workflow.setup import write_first_files


@click.command("init")
@click.option("--hooks", "action", flag_value="install", help="Install git hooks beside those that are there.")
@click.option("--unhook", "action", flag_value="remove", help="Take the hooks away and put back what was there.")
def init_command(action: str | None) -> int:
    """Prepare this repository: write .mimo/ with a commented config. Nothing is committed, nothing is overwritten."""
    repository = open_repository()
    if repository.work_tree is None:
        return 128
    if action is not None:
        return _change_hooks(repository, action)
    written = write_first_files(repository.work_tree)
    for name in written:
        render.say(f"wrote {name}")
    if not written:
        render.say("already prepared")
        return 0
    render.hint("git add .mimo && git commit -m 'mimo: project memory and defaults'")
    return 0


def _change_hooks(repository: Repository, action: str) -> int:
    """Install or remove; 2 when a hook has to be changed by hand."""
    wanted = action == "install"
    changes = install_hooks(repository, command=find_own_command()) if wanted else remove_hooks(repository)
    for change in changes:
        render.say(f"{change.event}: {change.state} ({change.where})")
    for hint in dict.fromkeys(change.hint for change in changes if change.hint):
        render.hint(hint)
    return 2 if any(change.state == "by-hand" for change in changes) else 0
