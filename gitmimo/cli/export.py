"""`git mimo export`: provenance in the form of another tool."""

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, open_repository
from gitmimo.workflow.git_ai import NOTES, export_authorship


@click.command("export")
@click.argument("form", type=click.Choice(["git-ai"]))
@click.argument("rev", default="HEAD")
@click.option("--force", is_flag=True, help="Replace notes that are there.")
@json_option
def export_command(form: str, rev: str, force: bool, as_json: bool) -> int:
    """Write which lines sessions wrote, as notes that git-ai and its readers understand.

    REV is a commit or a range (HEAD). Only change commits get a note; nothing is pushed.
    """
    found = export_authorship(open_repository(), rev, replace=force)
    if as_json:
        value = {"ref": NOTES, "written": list(found.written), "kept": list(found.kept)}
        render.emit_json({"schema": "git-mimo/export/1", **value})
        return 0
    render.say(f"{len(found.written)} notes written in {NOTES}, {len(found.kept)} kept as they were")
    if found.written:
        render.hint(f"git push origin {NOTES}")
    return 0
