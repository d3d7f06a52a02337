"""`git mimo init`: prepare a repository."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import open_repository
from gitmimo.workflow.setup import write_first_files


@click.command("init")
def init_command() -> int:
    """Prepare this repository: write .mimo/ with a commented config. Nothing is committed, nothing is overwritten."""
    repository = open_repository()
    if repository.work_tree is None:
        return 128
    written = write_first_files(repository.work_tree)
    for name in written:
        render.say(f"wrote {name}")
    if not written:
        render.say("already prepared")
        return 0
    render.hint("git add .mimo && git commit -m 'mimo: project memory and defaults'")
    return 0
