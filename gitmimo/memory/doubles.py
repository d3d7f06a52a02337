"""Skills of one kind that a merge of two branches left beside each other."""

import re

from gitmimo.git.repository import Repository
from gitmimo.memory.changes import read_changes
from gitmimo.memory.footprints import Group, find_groups
from gitmimo.memory.skill_file import Skill, read_library
from gitmimo.records import Oid

DRAFTED = re.compile(r"-[0-9a-f]{4}\Z")  # the name of a skill that a dream drafted


def find_doubles(repository: Repository, at: Oid) -> tuple[str, ...]:
    """The skills that a merge of two branches left beside another of the same changes: of each kind one stays.

    It stays that has a script, then the one from more changes. What a person named is never one of them.
    """
    skills = [skill for skill in read_library(repository, at).skills if skill.commits]
    groups = find_groups(read_changes(repository, at))
    kinds: list[list[Skill]] = []
    for skill in sorted(skills, key=lambda item: (item.script is None, -len(item.commits), item.name)):
        own = {number for number, group in enumerate(groups) if _is_of(skill, group)}
        same = next((kind for kind in kinds if set(kind[0].commits) & set(skill.commits)), None) or next(
            (kind for kind in kinds if own & {n for n, group in enumerate(groups) if _is_of(kind[0], group)}), None
        )
        if same is None:
            kinds.append([skill])
        else:
            same.append(skill)
    doubled = (skill.name for kind in kinds for skill in kind[1:])
    return tuple(sorted(name for name in doubled if DRAFTED.search(name)))


def _is_of(skill: Skill, group: Group) -> bool:
    return any(change.commit.startswith(skill.commits) for change in group.changes)
