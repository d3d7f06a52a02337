"""Skills for other agents: relative links in `.agents/skills` and `.claude/skills`, or copies."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import SkillRefused
from gitmimo.files import remove_tree
from gitmimo.memory.skill_file import SKILLS_DIR, check_name, read_skill_directory, skill_digest

LINK_DIRECTORIES = (".agents/skills", ".claude/skills")
_MARK = ".git-mimo-copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One directory where a skill is linked. `state` is linked, copied, drifted, missing or foreign."""

    path: str
    state: str


def link_skills(work_tree: Path, names: Sequence[str], *, copy: bool = False) -> tuple[Link, ...]:
    """Link the checkout's skills for other agents and return the state of each link afterwards.

    Only what is a link of ours, or a copy that nobody has changed, is replaced; a foreign folder of the same name and
    a changed copy stay as they are. Copies are made where links don't work, or with `copy`. SkillRefused when a skill
    is unsafe.
    """
    for name in names:
        skill = work_tree / SKILLS_DIR / check_name(name)
        read_skill_directory(skill)
        for parent in LINK_DIRECTORIES:
            target = _checked(work_tree, parent) / name
            if _state(work_tree, target, skill) not in ("foreign", "drifted"):
                _put(target, skill, copy=copy)
    return check_links(work_tree, names)


def check_links(work_tree: Path, names: Sequence[str]) -> tuple[Link, ...]:
    """Return the state of each link; `drifted` is a copy that differs from the skill now."""
    return tuple(
        Link(path=f"{parent}/{name}", state=_state(work_tree, work_tree / parent / name, work_tree / SKILLS_DIR / name))
        for name in names
        for parent in LINK_DIRECTORIES
    )


def unlink_skills(work_tree: Path, names: Sequence[str]) -> tuple[Link, ...]:
    """Remove our links and unchanged copies; what is foreign or changed stays."""
    for name in names:
        for parent in LINK_DIRECTORIES:
            target = work_tree / parent / check_name(name)
            if _state(work_tree, target, work_tree / SKILLS_DIR / name) in ("linked", "copied"):
                remove_tree(target)
    return check_links(work_tree, names)


def _state(work_tree: Path, target: Path, skill: Path) -> str:
    if target.is_symlink():
        return "linked" if (target.parent / target.readlink()).resolve() == skill.resolve() else "foreign"
    if not target.exists():
        return "missing"
    if not (target / _MARK).is_file():
        return "foreign"
    content = _content(target)
    if content == _content(skill):
        return "copied"
    # an outdated copy that the user has not changed may be replaced
    return "outdated" if skill_digest(content) == (target / _MARK).read_text().strip() else "drifted"


def _put(target: Path, skill: Path, *, copy: bool) -> None:
    remove_tree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(os.path.relpath(skill, target.parent), target_is_directory=True)
        except OSError:
            copy = True
    if copy:
        shutil.copytree(skill, target)
        (target / _MARK).write_text(skill_digest(_content(target)) + "\n")


def _content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != _MARK
    }


def _checked(work_tree: Path, parent: str) -> Path:
    """Refuse to write through a link out of the checkout."""
    directory = work_tree / parent
    if not directory.resolve().is_relative_to(work_tree.resolve()):
        raise SkillRefused(f"a link leads out of the checkout: `{parent}`")
    return directory
