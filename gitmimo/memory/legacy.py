"""`.mimo/` of version 0.1, reduced: fact files become notes; records and skills that replayed one diff go."""

from gitmimo.errors import BadMemory, SecretFound
from gitmimo.git.repository import TREE, Repository
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, MAX_NOTE_LENGTH, Note, NoteKind, new_note, put_notes
from gitmimo.memory.skill_file import read_document

_FACTS, _RECORDS, _REPLAYED = ".mimo/memory/", ".mimo/sessions/", "assets/procedure.json"
_KINDS = {"rule": NoteKind.RULE, "preference": NoteKind.RULE, "architecture": NoteKind.ARCHITECTURE}


def migrate(repository: Repository, commit: str) -> dict[str, bytes | None]:
    """Return the change that brings a commit's `.mimo/` to the present form; nothing when it has it.

    What people said is kept, each fact as one line. Lessons that a dream drew from failed candidates are dropped.
    """
    root = repository.find_entry(commit, ".mimo")
    entries = repository.list_paths(root.oid) if root is not None and root.mode == TREE else ()
    paths = [f".mimo/{entry.path}" for entry in entries]
    skills = [path.removesuffix(_REPLAYED) for path in paths if path.endswith(f"/{_REPLAYED}")]
    old = [path for path in paths if path.startswith((_FACTS, _RECORDS, *skills))]
    if not old:
        return {}
    facts = [_as_note(repository.read_blob(commit, path) or b"") for path in old if path.startswith(_FACTS)]
    notes = {note.id: note for note in reversed(facts) if note is not None}
    changed = put_notes(repository, commit, tuple(reversed(notes.values())))
    return {**dict.fromkeys(old), **changed, ATTRIBUTES_PATH: ATTRIBUTES}


def _as_note(data: bytes) -> Note | None:
    """A fact's file as a note; None for a dream's lesson and for what cannot be read."""
    try:
        header, body = read_document(data)
        if header.get("kind") == "lesson" or header.get("origin") == "untrusted":
            return None
        kind = _KINDS.get(str(header.get("kind")), NoteKind.FACT)
        text = " ".join(body.split())[:MAX_NOTE_LENGTH]
        sources = [str(source["path"]) for source in header.get("sources") or ()]
        return new_note(kind, text, commit="".join(header.get("commits", [])[:1]), sources=sources)
    except (BadMemory, SecretFound, KeyError, TypeError):
        return None
