"""`git mimo dream`: what sessions taught is offered, and what you say yes to stands on a branch to be reviewed."""

import sys

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option, load_config, open_repository
from gitmimo.errors import UsageError
from gitmimo.records import new_session_id
from gitmimo.text import escape_controls
from gitmimo.workflow.dream import Admitted, admit, diff_lines, find_dream, publish, undo_dream
from gitmimo.workflow.models import open_models


@click.command("dream")
@click.argument("sessions", nargs=-1)
@click.option("-y", "--yes", is_flag=True, help="Admit everything that is offered.")
@click.option("--dry-run", is_flag=True, help="Show what --yes would commit; change nothing.")
@click.option("--model", help="Model that writes the drafts' names and descriptions.")
@click.option("--undo", is_flag=True, help="Take the newest dream back.")
@json_option
def dream_command(
    sessions: tuple[str, ...], yes: bool, dry_run: bool, model: str | None, undo: bool, as_json: bool
) -> int:
    """Turn sessions and landed changes into notes and skills.

    Asks about each note and each draft. What you say yes to is one commit on a branch mimo/dream-<id>; the branches of
    candidates' steps go, and private refs keep the steps until `git mimo gc`. Without a terminal only notes that two
    sessions came to are committed.
    """
    repository = open_repository()
    if undo:
        if sessions or yes or dry_run or model:
            raise UsageError("--undo takes nothing else")
        undone = undo_dream(repository)
        if as_json:
            render.emit_json({"schema": "git-mimo/dream/1", "undone": list(undone)})
        else:
            render.say(f"taken back: {', '.join(undone)}")
        return 0
    config = load_config(repository, {"model": (model,) if model else ()})
    pool = open_models(repository, config, new_session_id()) if model else None
    try:
        dream = find_dream(repository, config, sessions, model=pool.metered(0, "dream") if pool else None)
    finally:
        if pool:
            pool.close()
    asks = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
    admitted = admit(repository, dream, ask=_ask if asks else lambda _kind, _text: True if yes or dry_run else None)
    if dry_run:
        lines = diff_lines(repository, dream.at, admitted.changes)
        if as_json:
            render.emit_json(_as_json(None, admitted, offered=0))
        else:
            render.out_raw("".join(f"{line}\n" for line in lines))
        return 0
    where = publish(repository, config, dream, admitted)
    offered = len(dream.offers) + len(dream.drafts) - len(admitted.notes) - len(admitted.skills)
    if as_json:
        render.emit_json(_as_json(where, admitted, offered=offered))
        return 0
    if dream.squashed:
        render.say(f"{len(dream.squashed)} branches of steps squashed; `git mimo log` still shows them")
    if where is None:
        render.say(f"nothing to commit; {offered} offered" if offered and not asks else "nothing new")
        return 0
    render.say(admitted.message.partition("\n")[0])
    render.out(where)
    render.hint(f"git log -p -1 {where}\ngit merge {where}")
    return 0


def _ask(kind: str, text: str) -> bool | None:
    render.say(escape_controls(text))
    answer = click.prompt(
        f"admit this {kind}? [y]es, [n]o for good, [l]ater", default="l", show_default=False, err=True
    )
    return {"y": True, "n": False}.get(str(answer).strip().lower()[:1])


def _as_json(where: str | None, admitted: Admitted, *, offered: int) -> dict[str, object]:
    return {
        "schema": "git-mimo/dream/1",
        "branch": where,
        "skills": [skill.name for skill in admitted.skills],
        "notes": [note.text for note in admitted.notes],
        "changed": sorted(admitted.changes),
        "offered": offered,
    }
