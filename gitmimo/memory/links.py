"""Skills for other agents: relative links in `.agents/skills` and `.claude/skills`."""

import os
from collections.abc import Sequence
from pathlib import Path

from gitmimo.errors import SkillRefused
from gitmimo.memory.skill_file import SKILLS_DIR

LINK_DIRECTORIES = (".agents/skills", ".claude/skills")


def link_skills(work_tree: Path, names: Sequence[str]) -> dict[str, str]:
    """Link the checkout's skills of these names; return each link's path with `linked`, or `foreign` for what stays.

    SkillRefused when a link would leave the checkout.
    """
    found = {}
    for name in names:
        skill = work_tree / SKILLS_DIR / name
        for parent in LINK_DIRECTORIES if skill.is_dir() and not skill.is_symlink() else ():
            if not (work_tree / parent).resolve().is_relative_to(work_tree.resolve()):
                raise SkillRefused(f"a link leads out of the checkout: `{parent}`")
            target = work_tree / parent / name
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.relpath(skill, target.parent), target_is_directory=True)
            is_ours = target.is_symlink() and (target.parent / target.readlink()).resolve() == skill.resolve()
            found[f"{parent}/{name}"] = "linked" if is_ours else "foreign"
    return found
