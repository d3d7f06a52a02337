"""`git mimo dream`: offer notes and skills learned from sessions; commit the accepted ones to a branch for review."""

import contextlib
import sys

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_sessions, json_option, load_config, open_repository
from gitmimo.ids import new_session_id
from gitmimo.text import escape_controls
from gitmimo.workflow.dream import Admitted, Dream, admit, diff_lines, find_dream, find_migration, publish, undo_dream
from gitmimo.workflow.models import open_models


@click.command("dream")
@click.argument("sessions", nargs=-1, shell_complete=complete_sessions)
@click.option("-y", "--yes", is_flag=True, help="Admit everything that is offered.")
@click.option("--dry-run", is_flag=True, help="Show what --yes would commit; change nothing.")
@click.option("--migrate", "migrates", is_flag=True, help="Bring .mimo/ of version 0.1 to the present form.")
@click.option("--model", help="Model that writes the drafts' names and descriptions.")
@click.option("--undo", is_flag=True, help="Take the newest dream back.")
@json_option
def dream_command(
    sessions: tuple[str, ...], yes: bool, dry_run: bool, migrates: bool, model: str | None, undo: bool, as_json: bool
) -> int:
    """Turn sessions and landed changes into notes and skills.

    Asks about each note and each draft. What you say yes to is one commit on a branch mimo/dream-<id>; the branches of
    candidates' steps go, and private refs keep the steps until `git mimo gc`. Without a terminal only notes that two
    sessions came to are committed.
    """
    repository = open_repository()
    if undo:
        undone = undo_dream(repository)
        render.say(f"taken back: {', '.join(undone)}")
        return render.emit_json("dream/1", {"undone": undone}) if as_json else 0
    config = load_config(repository, {"model": (model,) if model else ()})
    asks = not (yes or dry_run or as_json or migrates) and sys.stdin.isatty() and sys.stderr.isatty()
    if migrates:
        dream, admitted = find_migration(repository, config)
    else:
        pool = open_models(repository, config, new_session_id()) if model else None
        with contextlib.closing(pool) if pool else contextlib.nullcontext():
            dream = find_dream(repository, config, sessions, model=pool.metered(0, "dream") if pool else None)
        answer = _ask if asks else lambda _kind, _text: True if yes or dry_run else None
        admitted = admit(repository, config, dream, ask=answer)
    if dry_run and not as_json:
        render.out_raw("".join(f"{line}\n" for line in diff_lines(repository, dream.at, admitted.changes)))
        return 0
    where = None if dry_run else publish(repository, config, dream, admitted)
    _report(dream, admitted, where, asked=asks, as_json=as_json)
    return 0


def _report(dream: Dream, admitted: Admitted, where: str | None, *, asked: bool, as_json: bool) -> None:
    offered = len(dream.offers) + len(dream.drafts) - len(admitted.notes) - len(admitted.skills)
    if as_json:
        render.emit_json(
            "dream/1",
            {
                "branch": where,
                "skills": [skill.name for skill in admitted.skills],
                "notes": [note.text for note in admitted.notes],
                "changed": sorted(admitted.changes),
                "offered": offered,
            },
        )
        return
    if dream.squashed:
        render.say(f"{len(dream.squashed)} branches of steps squashed; `git mimo log` still shows them")
    if where is None:
        render.say(f"nothing to commit; {offered} offered" if offered and not asked else "nothing new")
        return
    render.say(admitted.message.partition("\n")[0])
    render.out(where)
    render.hint(f"git log -p -1 {where}\ngit merge {where}")


def _ask(kind: str, text: str) -> bool | None:
    render.say(escape_controls(text))
    answer = click.prompt(
        f"admit this {kind}? [y]es, [n]o for good, [l]ater", default="l", show_default=False, err=True
    )
    return {"y": True, "n": False}.get(str(answer).strip().lower()[:1])
