"""The project's skills together: reading them, how they stand, and how many may be active."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gitmimo.errors import SkillRefused
from gitmimo.git.objects import TREE
from gitmimo.git.repository import Repository
from gitmimo.memory.outcomes import Label, Outcomes, Standing, label_outcome, with_standing, write_outcomes
from gitmimo.memory.skill_file import OUTCOMES_PATH, SKILLS_DIR, Skill, read_skill, tree_changes
from gitmimo.memory.store import Changes
from gitmimo.records import utc_now

MOST_ACTIVE = 30
_UNUSED_DAYS = 180
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A commit's skills by name, and the folders that were refused, each with the reason."""

    skills: tuple[Skill, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def find(self, name: str) -> Skill | None:
        """Return the skill of that name, None when there is none."""
        return next((skill for skill in self.skills if skill.name == name), None)

    def get(self, name: str) -> Skill:
        """Return the skill of that name; SkillRefused, with the reason where it has one."""
        found = self.find(name)
        if found is None:
            reason = next((reason for folder, reason in self.problems if folder == name), "")
            raise SkillRefused(reason or f"no such skill: `{name}`", hint="git mimo skill list")
        return found

    @property
    def active(self) -> tuple[Skill, ...]:
        """The runnable skills that may be tried."""
        return tuple(s for s in self.skills if s.is_runnable and s.outcomes.standing is Standing.VERIFIED)


def read_library(repository: Repository, commit: str) -> Library:
    """Read every skill of a commit or tree. One that is unsafe or damaged is listed with its reason and left out."""
    root = repository.find_entry(commit, SKILLS_DIR)
    skills: list[Skill] = []
    problems: list[tuple[str, str]] = []
    for name, entry in sorted(repository.read_tree(root.oid).items()) if root and root.mode == TREE else ():
        if entry.mode != TREE:
            continue
        try:
            skills.append(read_skill(repository, commit, name))
        except SkillRefused as exc:
            problems.append((name, exc.message))
    return Library(skills=tuple(skills), problems=tuple(problems))


def record_use(skill: Skill, label: Label, *, session: str, now: datetime, reason: str = "") -> Changes:
    """Return the change that notes what became of a use; nothing when that is noted already.

    A failed use puts the skill into quarantine; `reason` says what failed.
    """
    return _changes(skill, label_outcome(skill.outcomes, label, session=session, now=now, reason=reason))


def quarantine(skill: Skill, reason: str, *, now: datetime | None = None) -> Changes:
    """Return the change that keeps a skill from being tried until it is verified again."""
    return _changes(skill, with_standing(skill.outcomes, Standing.QUARANTINED, now=now or utc_now(), reason=reason))


def retire(skill: Skill, reason: str, *, now: datetime | None = None) -> Changes:
    """Return the change that takes a skill out of use; its files stay."""
    return _changes(skill, with_standing(skill.outcomes, Standing.RETIRED, now=now or utc_now(), reason=reason))


def confirm(skill: Skill, *, now: datetime) -> Changes:
    """Return the change that puts a skill to use, after two replays gave the same tree; see `replay.admit`."""
    return _changes(skill, with_standing(skill.outcomes, Standing.VERIFIED, now=now))


def remove(skill: Skill) -> Changes:
    """Return the change that deletes a skill's files."""
    return dict.fromkeys(tree_changes(skill))


def retire_surplus(skills: Sequence[Skill], *, now: datetime, arriving: int = 0) -> Changes:
    """Return the changes that retire what nobody used for half a year, and the least useful beyond thirty active ones.

    `arriving` skills are about to be added and count as active.
    """
    active = [s for s in skills if s.is_runnable and s.outcomes.standing is Standing.VERIFIED]
    changes: Changes = {}
    kept: list[Skill] = []
    for skill in active:
        last = skill.outcomes.last_used or skill.outcomes.verified or skill.outcomes.created or now
        if (now - last).days > _UNUSED_DAYS:
            changes |= retire(skill, f"not used since {last:%Y-%m-%d}", now=now)
        else:
            kept.append(skill)
    kept.sort(key=lambda s: (s.outcomes.worth, s.outcomes.last_used or s.outcomes.verified or _LONG_AGO, s.name))
    for skill in kept[: max(0, len(kept) + arriving - MOST_ACTIVE)]:
        changes |= retire(skill, f"more than {MOST_ACTIVE} active skills, and this one helped least", now=now)
    return changes


def _changes(skill: Skill, outcomes: Outcomes) -> Changes:
    if outcomes == skill.outcomes:
        return {}
    return {f"{SKILLS_DIR}/{skill.name}/{OUTCOMES_PATH}": write_outcomes(outcomes)}
