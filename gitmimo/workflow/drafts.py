"""Drafts of skills: from groups of changes that no skill covers, from operations, from changes that a person names."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitmimo.config import Config
from gitmimo.errors import JournalError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.llm.model import Model
from gitmimo.memory.changes import Change, read_changes
from gitmimo.memory.draft import draft_operation, draft_skill
from gitmimo.memory.footprints import Group, find_groups, footprint
from gitmimo.memory.naming import name_group
from gitmimo.memory.notes import read_notes
from gitmimo.memory.offers import Learned, read_declined, read_learned
from gitmimo.memory.operation import Operation
from gitmimo.memory.skill_file import MAX_ACTIVE, Skill, read_library
from gitmimo.records import Oid
from gitmimo.workflow.history import find_session, read_session
from gitmimo.workflow.memory_home import memory_view

DRAFTED = re.compile(r"-[0-9a-f]{4}\Z")  # the name of a skill that a dream drafted


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A skill to be admitted, with the changes or the operation that it comes from."""

    skill: Skill
    group: Group | None = None
    operation: Operation | None = None


def find_drafts(
    repository: Repository, at: Oid, learned: Sequence[Learned], *, model: Model | None = None
) -> tuple[Draft, ...]:
    """Return a draft for each group of changes, and each operation, that no skill covers and that was not declined."""
    skills = read_library(repository, at).skills
    covered = {short for skill in skills for short in skill.commits}
    declined, taken = read_declined(repository), {skill.name for skill in skills}
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    commands = {item.session: item.commands for item in learned}
    drafts: list[Draft] = []
    for group in find_groups(read_changes(repository, at), commands):
        if any(change.commit.startswith(tuple(covered)) for change in group.changes) and covered:
            continue
        named = name_group(model, group) if model is not None else None
        name, description = named or ("", "")
        draft = draft_skill(group, notes=notes, name=name, description=description)
        if draft.name not in taken and draft.name not in declined and len(taken) < MAX_ACTIVE:
            taken.add(draft.name)
            drafts.append(Draft(skill=draft, group=group))
    known = {skill.metadata.get("git-mimo.task") for skill in skills}
    for item in reversed(learned):
        if item.operation is None:
            continue
        draft = draft_operation(item.operation, item.session)
        if draft.metadata["git-mimo.task"] not in known and draft.name not in {*taken, *declined}:
            known.add(draft.metadata["git-mimo.task"])
            taken.add(draft.name)
            drafts.append(Draft(skill=draft, operation=item.operation))
    return tuple(drafts)


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


def draft_from(repository: Repository, config: Config, name: str, sources: Sequence[str]) -> Skill:
    """Write a skill by hand's choice: from one or more commits or sessions, newest first."""
    at = memory_view(repository, config, repository.resolve("HEAD"))
    changes = [_change_of(repository, source) for source in sources]
    learned = read_learned(repository)
    commands = {item.session: item.commands for item in learned}
    groups = find_groups(changes, commands)
    if groups and len(groups[0].changes) == len(changes):
        group = groups[0]
    else:  # a person says that they belong together: what all of them touch is what they share
        patterns = [set(footprint(change, commands.get(change.session, ()))) for change in changes]
        group = Group(changes=tuple(changes), shared=tuple(sorted(set.intersection(*patterns) or patterns[0])))
    notes = [*read_notes(repository, at), *(note for item in learned for note in item.notes)]
    return draft_skill(group, notes=notes, name=name)


def _is_of(skill: Skill, group: Group) -> bool:
    return any(change.commit.startswith(skill.commits) for change in group.changes)


def _change_of(repository: Repository, source: str) -> Change:
    """The change that a session landed, or a commit."""
    rev = source
    with contextlib.suppress(UsageError, JournalError):
        rev = read_session(repository, find_session(repository, source)).result.result_commit or source
    found = read_changes(repository, repository.resolve(rev), limit=1)
    if not found:
        raise UsageError(f"no change to learn from: `{source}`", hint="git log --oneline")
    return found[0]
