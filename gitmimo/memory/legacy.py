"""`.mimo/` of version 0.1, reduced: fact files become notes; records and skills that replayed one diff go."""

from collections.abc import Mapping
from typing import Any

from gitmimo.errors import BadMemory, SecretFound
from gitmimo.git.repository import TREE, Repository
from gitmimo.memory.front_matter import read_document
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, MAX_NOTE_LENGTH, Note, NoteKind, new_note, put_notes
from gitmimo.memory.skill_file import SKILLS_DIR

_FACTS, _RECORDS = ".mimo/memory", ".mimo/sessions"
_OLD_SKILL = "assets/procedure.json"
_KINDS = {"rule": NoteKind.RULE, "preference": NoteKind.RULE, "architecture": NoteKind.ARCHITECTURE}


def migrate(repository: Repository, commit: str) -> dict[str, bytes | None]:
    """Return the change that brings a commit's `.mimo/` to the present form; nothing when it has it.

    What people said is kept, each fact as one line. Lessons that a dream drew from failed candidates are dropped.
    """
    facts = _files(repository, commit, _FACTS)
    old = dict.fromkeys((*facts, *_files(repository, commit, _RECORDS), *_old_skills(repository, commit)))
    if not old:
        return {}
    notes: dict[str, Note] = {}
    for data in facts.values():
        note = _as_note(data)
        if note is not None:
            notes.setdefault(note.id, note)
    changes: dict[str, bytes | None] = {**old, **put_notes(repository, commit, tuple(notes.values()))}
    if repository.read_blob(commit, ATTRIBUTES_PATH) != ATTRIBUTES:
        changes[ATTRIBUTES_PATH] = ATTRIBUTES
    return changes


def _as_note(data: bytes) -> Note | None:
    """A fact's file as a note; None for a dream's lesson and for what cannot be read."""
    try:
        header, body = read_document(data, max_bytes=65_536)
        if header.get("kind") == "lesson" or header.get("origin") == "untrusted":
            return None
        kind = _KINDS.get(str(header.get("kind")), NoteKind.FACT)
        commits, sources = header.get("commits") or [], header.get("sources") or []
        text = " ".join(body.split())[:MAX_NOTE_LENGTH]
        return new_note(kind, text, commit=str(commits[0]) if commits else "", sources=_paths(sources))
    except (BadMemory, SecretFound):
        return None


def _paths(sources: list[Mapping[str, Any]]) -> list[str]:
    return [str(source["path"]) for source in sources if isinstance(source, Mapping) and "path" in source]


def _old_skills(repository: Repository, commit: str) -> list[str]:
    root = repository.find_entry(commit, SKILLS_DIR)
    if root is None or root.mode != TREE:
        return []
    found: list[str] = []
    for name in repository.read_tree(root.oid):
        if repository.find_entry(commit, f"{SKILLS_DIR}/{name}/{_OLD_SKILL}") is not None:
            found += _files(repository, commit, f"{SKILLS_DIR}/{name}")
    return found


def _files(repository: Repository, commit: str, directory: str) -> dict[str, bytes]:
    root = repository.find_entry(commit, directory)
    if root is None or root.mode != TREE:
        return {}
    listed = repository.list_paths(root.oid)
    return {f"{directory}/{entry.path}": repository.read_object(entry.oid) for entry in listed}
