"""The part of the prompt about the project, before the task: its rule files, notes and skills."""

from gitmimo.git.repository import LINK, Repository
from gitmimo.memory.notes import Note, format_notes, read_notes
from gitmimo.memory.recall import rank_skills
from gitmimo.memory.skill_file import MAX_ACTIVE, Skill, read_library, unmet_requirements
from gitmimo.text import cut_middle, escape_controls

RULE_FILES = ("AGENTS.md", "CLAUDE.md")
_MOST_NOTES = 200


def prefix_text(repository: Repository, commit: str, *, max_chars: int = 24_000) -> str:
    """Return the project's rules, notes and the names of its skills as of the commit; empty when there are none.

    The same bytes for the same commit, so that all candidates share a provider's cache. Every part is labelled with
    the file it comes from; what doesn't fit is cut and says so.
    """
    parts = []
    room = max_chars
    for name, text in _rule_files(repository, commit):
        shown = cut_middle(text, max(0, min(room, max_chars // 2)), pointer=name)
        parts.append(f'<project-rules file="{name}">\n{shown}\n</project-rules>')
        room -= len(shown)
    notes = read_notes(repository, commit)
    if notes and room > 500:
        shown = cut_middle(_notes_text(notes), room, pointer=".mimo/MEMORY.md")
        parts.append(f'<project-memory file=".mimo/MEMORY.md">\n{shown}\n</project-memory>')
        room -= len(shown)
    skills = read_library(repository, commit).skills[:MAX_ACTIVE]
    if skills and room > 500:
        shown = cut_middle("\n".join(f"- {skill.name}: {escape_controls(skill.description)}" for skill in skills), room)
        parts.append(f'<project-skills directory=".mimo/skills">\n{shown}\n</project-skills>')
    return "\n\n".join(parts)


def find_skill(repository: Repository, commit: str, task: str) -> Skill | None:
    """Return the skill that fits the task best; None when none fits."""
    matches = rank_skills(repository, commit, task, read_library(repository, commit).skills)
    return matches[0].skill if matches else None


def skill_text(repository: Repository, commit: str, skill: Skill, *, max_chars: int = 6_000) -> str:
    """Return one skill as it is put into the prompt, with dependencies that have changed (a path, a tool's version)."""
    unmet = unmet_requirements(repository, commit, skill)
    warning = "".join(f"\nCheck first: {reason}" for reason in unmet)
    body = cut_middle(escape_controls(f"{skill.description}\n\n{skill.body.strip()}"), max_chars)
    return (
        f'<skill name="{skill.name}" file=".mimo/skills/{skill.name}/SKILL.md">\n{body}{warning}\n</skill>\n'
        "How this project did it before. Follow it where it fits the task; the task itself counts more."
    )


def _notes_text(notes: tuple[Note, ...]) -> str:
    groups = escape_controls(format_notes(notes[:_MOST_NOTES])).split("\n## ")[1:]
    parts = [f"## {group.strip()}" for group in groups if "\n- " in group]
    if stale := [f"- {escape_controls(note.text)}" for note in notes if note.is_stale]:
        parts.append("## Stale\n\nThe files of these have changed since; check them first:\n" + "\n".join(stale))
    return "\n\n".join(parts)


def _rule_files(repository: Repository, commit: str) -> list[tuple[str, str]]:
    """Return the rule files with their text; one that only points to another is left out."""
    found: list[tuple[str, str]] = []
    for name in RULE_FILES:
        entry = repository.find_entry(commit, name)
        data = repository.read_blob(commit, name)
        if entry is None or entry.mode == LINK or data is None:
            continue
        text = escape_controls(data.decode(errors="replace")).strip().replace("</project-", "< /project-")
        if text and text not in (f"@{other}" for other in RULE_FILES) and text not in (known for _, known in found):
            found.append((name, text))
    return found
