"""Skills for other agents: relative links in `.agents/skills` and `.claude/skills`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import SkillRefused
from gitmimo.memory.skill_file import SKILLS_DIR, check_name, read_skill_directory

LINK_DIRECTORIES = (".agents/skills", ".claude/skills")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One directory where a skill is linked. `state` is linked, missing or foreign."""

    path: str
    state: str


def link_skills(work_tree: Path, names: Sequence[str]) -> tuple[Link, ...]:
    """Link the checkout's skills for other agents and return the state of each link afterwards.

    What is no link of ours stays as it is. SkillRefused when a skill is unsafe, or a link would leave the checkout.
    """
    for name in names:
        skill = work_tree / SKILLS_DIR / check_name(name)
        read_skill_directory(skill)
        for parent in LINK_DIRECTORIES:
            if not (work_tree / parent).resolve().is_relative_to(work_tree.resolve()):
                raise SkillRefused(f"a link leads out of the checkout: `{parent}`")
            target = work_tree / parent / name
            if _state(target, skill) == "missing":
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.relpath(skill, target.parent), target_is_directory=True)
    return check_links(work_tree, names)


def check_links(work_tree: Path, names: Sequence[str]) -> tuple[Link, ...]:
    """Return the state of each link."""
    return tuple(
        Link(path=f"{parent}/{name}", state=_state(work_tree / parent / name, work_tree / SKILLS_DIR / name))
        for name in names
        for parent in LINK_DIRECTORIES
    )


def unlink_skills(work_tree: Path, names: Sequence[str]) -> tuple[Link, ...]:
    """Remove our links; what is foreign stays."""
    for name in names:
        for parent in LINK_DIRECTORIES:
            target = work_tree / parent / check_name(name)
            if _state(target, work_tree / SKILLS_DIR / name) == "linked":
                target.unlink()
    return check_links(work_tree, names)


def _state(target: Path, skill: Path) -> str:
    if target.is_symlink():
        return "linked" if (target.parent / target.readlink()).resolve() == skill.resolve() else "foreign"
    return "foreign" if target.exists() else "missing"
