"""`git mimo dream|skill`: offer what sessions taught, and how this project did a chore before."""

import contextlib
import sys
from collections import Counter

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_sessions, json_option, load_config, offer, open_memory, open_repository
from gitmimo.errors import UsageError
from gitmimo.git.repository import Repository
from gitmimo.ids import new_session_id
from gitmimo.memory.skill_file import SKILLS_DIR, check_name, read_library, removal_of
from gitmimo.text import one_line
from gitmimo.workflow.dream import (
    Dream,
    admit,
    diff_lines,
    draft_from,
    find_dream,
    find_migration,
    publish,
    undo_dream,
)
from gitmimo.workflow.memory_home import save_memory
from gitmimo.workflow.models import open_models
from gitmimo.workflow.scripts import run_skill
from gitmimo.workflow.trust import is_approved, skill_json


@offer
def complete_skills(context: click.Context) -> list[str]:
    """Names of the checkout's skills."""
    return sorted(path.name for path in (open_repository().require_work_tree() / SKILLS_DIR).iterdir())


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
        dream = admitted = find_migration(repository, config)
    else:
        pool = open_models(repository, config, new_session_id()) if model else None
        with contextlib.closing(pool) if pool else contextlib.nullcontext():
            dream = find_dream(repository, config, sessions, model=pool.metered(0, "dream") if pool else None)
        answer = _ask if asks else lambda _kind, _text: True if yes or dry_run else None
        admitted = admit(repository, config, dream, ask=answer)
    if dry_run and not as_json:
        render.out_raw("".join(f"{line}\n" for line in diff_lines(repository, admitted)))
        return 0
    where = None if dry_run else publish(repository, config, admitted)
    _report(dream, admitted, where, asked=asks, as_json=as_json)
    return 0


def _report(dream: Dream, admitted: Dream, where: str | None, *, asked: bool, as_json: bool) -> None:
    offered = len(dream.offers) + len(dream.drafts) - len(admitted.offers) - len(admitted.drafts)
    if as_json:
        render.emit_json(
            "dream/1",
            {
                "branch": where,
                "skills": [skill.name for skill in admitted.skills],
                "notes": [offer.note.text for offer in admitted.offers],
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
    render.say(text)
    answer = click.prompt(
        f"admit this {kind}? [y]es, [n]o for good, [l]ater", default="l", show_default=False, err=True
    )
    return {"y": True, "n": False}.get(str(answer).strip().lower()[:1])


@click.group("skill")
def skill_command() -> None:
    """Skills: how this project did a chore before, one directory each under .mimo/skills/."""


@skill_command.command("list")
@json_option
def list_command(as_json: bool) -> int:
    """List the skills. Says from how many changes each was made and how often it was used."""
    repository, _, view = open_memory()
    library = read_library(repository, view)
    used = _uses(repository)
    if as_json:
        skills = [skill_json(repository, skill) | {"used": used[skill.name]} for skill in library.skills]
        return render.emit_json("skills/1", {"skills": skills, "refused": dict(library.problems)})
    rows = []
    for skill in library.skills:
        kind = "to read"
        if skill.script is not None:
            kind = "runs" if is_approved(repository, skill.digest) else "runs, not approved"
        counts = (str(len(skill.commits)), str(used[skill.name]))
        rows.append((skill.name, kind, *counts, one_line(skill.description, 80)))
    if rows:
        render.out(render.table(("name", "kind", "from", "used", "about"), rows))
    elif not library.problems:
        render.say("no skill yet: `git mimo dream` drafts them from changes of one kind")
    for name, reason in library.problems:
        render.say(f"refused: {name}: {reason}")
    return 0


@skill_command.command("show")
@click.argument("name", shell_complete=complete_skills)
@json_option
def show_command(name: str, as_json: bool) -> int:
    """Show a skill's text, and its script where it has one."""
    repository, _, view = open_memory()
    skill = read_library(repository, view).get(name)
    if as_json:
        files = [f"{SKILLS_DIR}/{name}/{path}" for path in sorted(skill.files)]
        about = skill_json(repository, skill) | {"used": _uses(repository)[name]}
        return render.emit_json("skill/1", about | {"files": files, "body": skill.body})
    render.out(f"{skill.name}: {skill.description}\n\n{skill.body.strip()}")
    if skill.script is not None:
        render.out(f"\nscripts/{name}.sh\n\n{skill.script.strip()}")
    return 0


@skill_command.command("run")
@click.argument("name", shell_complete=complete_skills)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--grant", "granted", multiple=True, metavar="WHAT",
              help="network, docker, dir:PATH or service:SOCKET; repeatable.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Run it, and publish nothing.")
@json_option
def run_command(name: str, values: tuple[str, ...], granted: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Run a skill's script in the sandbox, without a model.

    It gets HEAD's files; its changes are committed to a branch of their own. Exit 1 when the script or its accept
    command failed.
    """
    given = dict(value.partition("=")[::2] for value in values)
    repository = open_repository()
    done = run_skill(repository, load_config(repository), name, given, granted=granted, dry_run=dry_run)
    if as_json:
        run = {"problem": done.problem, "output": done.output, "seconds": round(done.seconds, 3)}
        render.emit_json("skill-run/1", {**run, "branch": done.branch, "commit": done.commit})
        return int(bool(done.problem))
    for line in done.output.splitlines():
        render.say(line)
    if done.problem:
        render.say(f"failed: {done.problem}")
        return 1
    if done.branch:
        render.out(done.branch)
        render.hint(f"git diff HEAD {done.branch}\ngit merge {done.branch}")
    else:
        render.say("done; it changed no file" if not dry_run else "done; nothing is published")
    return 0


@skill_command.command("new")
@click.argument("name", shell_complete=complete_skills)
@click.option("--from", "sources", multiple=True, required=True, metavar="SESSION|COMMIT",
              help="A change to learn from; repeatable, newest first.")  # fmt: skip
def new_command(name: str, sources: tuple[str, ...]) -> int:
    """Write a skill from the commits that you name. The files are put in the checkout; nothing is committed."""
    repository = open_repository()
    checkout = repository.require_work_tree()
    directory = checkout / SKILLS_DIR / check_name(name)
    if directory.exists() or directory.is_symlink():
        raise UsageError(f"it is there already: `{directory}`")
    skill = draft_from(repository, load_config(repository), name, sources)
    for path, data in skill.files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    render.say(f"wrote {SKILLS_DIR}/{name}/SKILL.md")
    render.hint(f"git add {SKILLS_DIR}/{name} && git commit -m 'skill: {name}'")
    return 0


@skill_command.command("retire")
@click.argument("name", shell_complete=complete_skills)
@click.option("--reason", default="retired by hand", show_default=True, help="Why: it is the commit's message.")
def retire_command(name: str, reason: str) -> int:
    """Remove a skill and commit that; git keeps the past."""
    repository, config, view = open_memory()
    save_memory(repository, config, removal_of(repository, view, name), f"mimo: retire skill {name}\n\n{reason}\n")
    render.say(f"{name} is retired")
    return 0


def _uses(repository: Repository) -> Counter[str]:
    """The number of landed changes with a trailer that names a skill, by skill."""
    listed = repository.run("log", "--max-count=1000", "--format=%(trailers:key=Mimo-Skill,valueonly)", "HEAD").text
    return Counter(listed.split())
