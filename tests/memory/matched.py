"""The skill that a task gets."""

from gitmimo.git.repository import Repository
from gitmimo.memory.recall import find_skill, skill_text


def match_text(repository: Repository, commit: str, task: str) -> str:
    """Its text as in the prompt; empty for none."""
    skill = find_skill(repository, commit, task)
    return skill_text(repository, commit, skill) if skill is not None else ""
