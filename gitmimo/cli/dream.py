"""`git mimo dream`: what sessions taught becomes facts and skills, on a branch to be reviewed."""

import difflib

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, load_config, open_repository
from gitmimo.errors import UsageError
from gitmimo.text import escape_controls
from gitmimo.workflow.skilled import dream_over, undo_dream


@click.command("dream")
@click.argument("sessions", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every session that passed.")
@click.option("--dry-run", is_flag=True, help="Show what would be committed.")
@click.option("--no-llm", is_flag=True, help="Never ask a model, not even for a name (default without --model).")
@click.option("--model", help="Model that may name and polish what was found.")
@click.option("--undo", is_flag=True, help="Take the newest dream's branch back.")
@json_option
def dream_command(
    sessions: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    no_llm: bool,
    model: str | None,
    undo: bool,
    as_json: bool,
) -> int:
    """Turn sessions into what is worth keeping: facts with evidence, and skills that replay without a model.

    The trajectories are read and never changed. What was learned stands on a branch mimo/dream-<id>.
    """
    if no_llm and model:
        raise UsageError("--no-llm and --model exclude each other")
    if sessions and everything:
        raise UsageError("name sessions or give --all, not both")
    repository = open_repository()
    if undo:
        branch = undo_dream(repository)
        if as_json:
            render.emit_json({"schema": "git-mimo/dream/1", "undone": branch})
        else:
            render.say(f"taken back: {branch}")
        return 0
    config = load_config(repository, {"model": (model,) if model else ()})
    found, published = dream_over(
        repository, config, sessions, everything=everything, with_model=bool(model), dry_run=dry_run
    )
    if as_json:
        render.emit_json(
            {
                "schema": "git-mimo/dream/1",
                "branch": published,
                "skills": list(found.skills),
                "facts": [fact.id for fact in found.facts],
                "changed": sorted(found.changes),
                "nothing_because": found.nothing_because,
                "notes": {learned.session: learned.note for learned in found.learned if learned.note},
            }
        )
        return 0
    for learned in found.learned:
        if learned.skill is not None:
            render.say(f"{learned.session}: {learned.recorded_steps} steps, {learned.kept_steps} kept, replayed twice")
        elif learned.note:
            render.say(f"{learned.session}: no skill: {learned.note}")
    if found.is_empty:
        render.say(f"nothing to learn: {found.nothing_because}")
        return 0
    if dry_run:
        for path, data in sorted(found.changes.items()):
            _show_change(path, repository.read_blob(repository.resolve("HEAD"), path), data)
        return 0
    render.say(found.message.split("\n")[0])
    render.out(str(published))
    render.hint(f"git log -p -1 {published}\ngit merge {published}")
    return 0


def _show_change(path: str, old: bytes | None, new: bytes | None) -> None:
    before, after = ((data or b"").decode(errors="replace").splitlines() for data in (old, new))
    old_name, new_name = (
        f"{side}/{path}" if data is not None else "/dev/null" for side, data in (("a", old), ("b", new))
    )
    for line in difflib.unified_diff(before, after, old_name, new_name, lineterm=""):
        render.out_raw(f"{escape_controls(line)}\n")
