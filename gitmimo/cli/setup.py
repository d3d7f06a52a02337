"""`git mimo init`: prepare a repository."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, open_repository
from gitmimo.cli.next_steps import next_steps
from gitmimo.git.repository import Repository
from gitmimo.hooks.install import find_own_command, install_hooks, remove_hooks
from gitmimo.workflow.setup import write_first_files


@click.command("init")
@click.option("--hooks", "action", flag_value="install", help="Install git hooks beside those that are there.")
@click.option("--unhook", "action", flag_value="remove", help="Take the hooks away and put back what was there.")
@json_option
def init_command(action: str | None, as_json: bool) -> int:
    """Prepare this repository: write .mimo/ with a commented config. Nothing is committed, nothing is overwritten."""
    repository = open_repository()
    checkout = repository.require_work_tree()
    if action is not None:
        return _change_hooks(repository, action, as_json=as_json)
    written = write_first_files(checkout)
    if as_json:
        render.emit_json({"schema": "git-mimo/init/1", "written": written, "hooks": []})
        return 0
    for name in written:
        render.say(f"wrote {name}")
    if not written:
        render.say("already prepared")
    for line in next_steps(repository, commit_first=bool(written)):
        render.hint(line)
    return 0


def _change_hooks(repository: Repository, action: str, *, as_json: bool) -> int:
    """Install or remove; 2 when a hook has to be changed by hand."""
    wanted = action == "install"
    changes = install_hooks(repository, command=find_own_command()) if wanted else remove_hooks(repository)
    code = 2 if any(change.state == "by-hand" for change in changes) else 0
    if as_json:
        values = [{"event": c.event, "state": c.state, "where": str(c.where), "hint": c.hint} for c in changes]
        render.emit_json({"schema": "git-mimo/init/1", "written": [], "hooks": values})
        return code
    for change in changes:
        render.say(f"{change.event}: {change.state} ({change.where})")
    for hint in dict.fromkeys(change.hint for change in changes if change.hint):
        render.hint(hint)
    return code
