"""`git mimo skill`: procedures that run without a model."""

import shutil
from pathlib import Path
from typing import Any

import click

from gitmimo.cli import render
from gitmimo.cli.help import Group
from gitmimo.cli.options import json_option, load_config, open_repository, short
from gitmimo.errors import MimoError, UsageError
from gitmimo.memory.library import read_library, retire
from gitmimo.memory.links import check_links, link_skills, unlink_skills
from gitmimo.memory.outcomes import Standing
from gitmimo.memory.skill_file import SKILLS_DIR, Skill, check_name, read_skill_directory
from gitmimo.workflow.remember import commit_to_checkout
from gitmimo.workflow.skilled import parse_parameters, run_skill, verify_skill
from gitmimo.workflow.trust import is_approved


@click.group("skill", cls=Group)
def skill_command() -> None:
    """Procedures that were replayed and verified, one folder each under .mimo/skills/."""


@skill_command.command("list")
@json_option
def list_command(as_json: bool) -> int:
    """List the skills with their standing."""
    repository = open_repository()
    library = read_library(repository, repository.resolve("HEAD"))
    if as_json:
        skills = [_about(s, is_approved=is_approved(repository, s.digest)) for s in library.skills]
        render.emit_json({"schema": "git-mimo/skills/1", "skills": skills, "refused": dict(library.problems)})
        return 0
    rows = []
    for skill in library.skills:
        standing = skill.outcomes.standing.value if skill.is_runnable else "to read"
        approved = "approved" if is_approved(repository, skill.digest) else "-"
        rows.append((skill.name, standing, approved, str(skill.outcomes.uses), short(skill.description, 80)))
    if rows:
        render.out(render.table(("name", "standing", "trust", "uses", "about"), rows))
    elif not library.problems:
        render.say("no skill yet: `git mimo dream` makes them from sessions")
    for name, reason in library.problems:
        render.say(f"refused: {name}: {reason}")
    return 0


@skill_command.command("show")
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> int:
    """Show a skill's text, and what became of its uses."""
    repository = open_repository()
    skill = read_library(repository, repository.resolve("HEAD")).get(name)
    if as_json:
        files = [f"{SKILLS_DIR}/{name}/{path}" for path in sorted(skill.files)]
        about = _about(skill, is_approved=is_approved(repository, skill.digest))
        render.emit_json({"schema": "git-mimo/skill/1", **about, "files": files, "body": skill.body})
        return 0
    render.out(f"{skill.name}: {skill.description}")
    outcomes = skill.outcomes
    render.out(f"{outcomes.standing.value}" + (f": {outcomes.reason}" if outcomes.reason else ""))
    render.out(f"uses {outcomes.uses}, helped {outcomes.helped}, hurt {outcomes.hurt}")
    for path in sorted(skill.files):
        render.out(f"  {SKILLS_DIR}/{name}/{path}")
    render.out("")
    render.out(skill.body.strip())
    return 0


@skill_command.command("run")
@click.argument("name")
@click.option("-p", "--param", "parameters", multiple=True, help="A parameter; repeatable.", metavar="NAME=VALUE")
@click.option("--dry-run", is_flag=True, help="Carry it out in a scratch tree and publish nothing.")
@json_option
def run_command(name: str, parameters: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Carry a skill out on HEAD, without a model.

    The result stands on a branch of its own. Without -p the parameters of its first example are used. Exit 1 when it
    could not be carried out, with the reason.
    """
    repository = open_repository()
    skill = read_library(repository, repository.resolve("HEAD")).get(name)
    carried = run_skill(repository, load_config(repository), name, parse_parameters(parameters, skill), dry_run=dry_run)
    if as_json:
        render.emit_json(
            {
                "schema": "git-mimo/skill-run/1",
                "code": carried.replay.code,
                "reason": carried.replay.reason,
                "changed": list(carried.replay.changed),
                "branch": carried.branch,
                "commit": carried.commit,
            }
        )
        return int(not carried.replay.ok)
    if not carried.replay.ok:
        render.say(f"not carried out (step code {carried.replay.code}): {carried.replay.reason}")
        return 1
    for path in carried.replay.changed:
        render.say(f"changed {path}")
    if carried.branch:
        render.out(carried.branch)
        render.hint(f"git diff HEAD {carried.branch}\ngit merge {carried.branch}")
    return 0


@skill_command.command("verify")
@click.argument("name")
@json_option
def verify_command(name: str, as_json: bool) -> int:
    """Replay a skill twice; confirm or quarantine it."""
    repository = open_repository()
    found, changes = verify_skill(repository, load_config(repository), name)
    word = "verified" if found.admitted else "does not apply here" if found.is_unmet else "quarantined"
    if changes:
        commit_to_checkout(repository, changes, f"mimo: skill {name} {word}\n\n{found.reason}\n")
    if as_json:
        value = {"name": name, "admitted": found.admitted, "applies": not found.is_unmet, "reason": found.reason}
        render.emit_json({"schema": "git-mimo/skill-verify/1", **value})
        return int(not found.admitted)
    render.say(f"{name}: {word}" + (f": {found.reason}" if found.reason else ""))
    return int(not found.admitted)


@skill_command.command("validate")
@click.argument("directories", nargs=-1, type=click.Path(path_type=Path))
def validate_command(directories: tuple[Path, ...]) -> int:
    """Check skill folders, all by default.

    By the Agent Skills specification and git-mimo's own rules; exit 1 when one is refused, with the reason.
    """
    root = open_repository().require_work_tree() / SKILLS_DIR
    wanted = list(directories) or (sorted(path for path in root.iterdir()) if root.is_dir() else [])
    if not wanted:
        render.say("no skill in this checkout")
    bad = 0
    for directory in wanted:
        try:
            read_skill_directory(directory)
            render.out(f"{directory.name}: ok")
        except MimoError as exc:
            bad += 1
            render.out(f"{directory.name}: {exc.message}")
    return int(bool(bad))


@skill_command.command("link")
@click.option("--copy", is_flag=True, help="Copies instead of links.")
@click.option("--remove", is_flag=True, help="Remove our links and unchanged copies.")
@click.option("--check", is_flag=True, help="Only say how things stand; exit 1 when something drifted.")
def link_command(copy: bool, remove: bool, check: bool) -> int:
    """Offer the skills to other agents.

    Links in .agents/skills and .claude/skills, which Claude Code, Codex, OpenCode and Copilot read; copies, with a
    check for drift, where links don't work.
    """
    repository = open_repository()
    checkout = repository.require_work_tree()
    root = checkout / SKILLS_DIR
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not names:
        render.say("no skill in this checkout")
        return 0
    if check:
        links = check_links(checkout, names)
    else:
        links = unlink_skills(checkout, names) if remove else link_skills(checkout, names, copy=copy)
    for link in links:
        state = "removed" if remove and link.state == "missing" else link.state
        render.out(f"{state.ljust(8)} {link.path}")
    return int(check and any(link.state in ("drifted", "missing", "foreign") for link in links))


@skill_command.command("retire")
@click.argument("name")
@click.option("--reason", default="retired by hand", show_default=True, help="Why: it is committed with it.")
def retire_command(name: str, reason: str) -> int:
    """Take a skill out of use; its files stay."""
    repository = open_repository()
    head = repository.resolve("HEAD")
    skill = read_library(repository, head).get(name)
    changes = retire(skill, reason) if skill.outcomes.standing is not Standing.RETIRED else {}
    if not changes:
        render.say(f"{name} is retired already")
        return 0
    commit_to_checkout(repository, changes, f"mimo: retire skill {name}\n\n{reason}\n")
    render.say(f"{name} is retired")
    return 0


@skill_command.command("new")
@click.argument("name")
@click.option("--description", required=True, help="What it does and when to use it.")
def new_command(name: str, description: str) -> int:
    """Begin a skill to read; nothing is committed."""
    directory = open_repository().require_work_tree() / SKILLS_DIR / check_name(name)
    if directory.exists() or directory.is_symlink():
        raise UsageError(f"it is there already: `{directory}`")
    directory.mkdir(parents=True)
    text = description.replace('"', "'")
    (directory / "SKILL.md").write_text(
        f'---\nname: "{name}"\ndescription: "{text}"\n---\n\n# When to use it\n\n# Steps\n\n# How to know it worked\n'
    )
    try:
        read_skill_directory(directory)
    except MimoError:
        shutil.rmtree(directory)
        raise
    render.say(f"wrote {SKILLS_DIR}/{name}/SKILL.md")
    return 0


def _about(skill: Skill, *, is_approved: bool) -> dict[str, Any]:
    outcomes = skill.outcomes
    return {
        "name": skill.name,
        "description": skill.description,
        "runnable": skill.is_runnable,
        "approved": is_approved,
        "outcomes": {
            "standing": outcomes.standing.value,
            "reason": outcomes.reason,
            "uses": outcomes.uses,
            "helped": outcomes.helped,
            "hurt": outcomes.hurt,
        },
    }
