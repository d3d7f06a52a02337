"""`git mimo dream`: offer notes and skills learned from sessions; commit the accepted ones to a branch for review."""

import sys
from functools import partial

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_sessions, json_option, load_config, open_repository
from gitmimo.text import escape_controls
from gitmimo.workflow.dream import Admitted, Dream, admit, diff_lines, find_dream, publish
from gitmimo.workflow.scripts import prove


@click.command("dream")
@click.argument("sessions", nargs=-1, shell_complete=complete_sessions)
@click.option("-y", "--yes", is_flag=True, help="Admit everything that is offered.")
@click.option("--dry-run", is_flag=True, help="Show what --yes would commit; change nothing.")
@json_option
def dream_command(sessions: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool) -> int:
    """Turn sessions and landed changes into notes and skills.

    Asks about each note and each draft. What you say yes to is one commit on a branch mimo/dream-<id>; the branches of
    candidates' steps go, and private refs keep the steps until `git mimo gc`. `git mimo undo` takes it back. Without a
    terminal only notes that two sessions came to are committed.
    """
    repository = open_repository()
    config = load_config(repository)
    asks = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
    answer = _ask if asks else lambda _kind, _text: True if yes or dry_run else None
    dream = find_dream(repository, config, sessions)
    admitted = admit(repository, dream, ask=answer, prove=partial(prove, repository, config))
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
