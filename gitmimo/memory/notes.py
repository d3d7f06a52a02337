"""Notes for later sessions: one line each in `.mimo/MEMORY.md`, grouped, each with the commit it was checked at."""

import enum
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gitmimo.errors import BadMemory, RepoError, SecretFound
from gitmimo.git.repository import TREE, Repository
from gitmimo.memory.skill_file import read_document
from gitmimo.redact import find_secrets
from gitmimo.text import hidden_characters

MEMORY_PATH = ".mimo/MEMORY.md"
ATTRIBUTES_PATH = ".mimo/.gitattributes"
ATTRIBUTES = b"MEMORY.md merge=union\n"
MAX_NOTE_LENGTH = 400
EMPTY = "# Memory\n\nWhat later sessions should know, one line each: `git mimo memory add`, or edit this file.\n"
_MAX_BYTES = 262_144
_LINE = re.compile(r"^[-*] +(?P<text>.*?)(?: +\[(?P<commit>[0-9a-f]{7,64})(?:; (?P<sources>[^\[\]]+))?\])?$")
_COMMIT_LENGTH = 10


class NoteKind(enum.StrEnum):
    """The kind of a note, in the order of the groups."""

    RULE = "rule"
    ARCHITECTURE = "architecture"
    COMMAND = "command"
    FACT = "fact"


_HEADINGS = {
    NoteKind.RULE: "Rules",
    NoteKind.ARCHITECTURE: "Architecture",
    NoteKind.COMMAND: "Commands",
    NoteKind.FACT: "Facts",
}
_KINDS = {heading.lower(): kind for kind, heading in _HEADINGS.items()}
_OLD_FACTS, _OLD_RECORDS, _OLD_SKILL = ".mimo/memory/", ".mimo/sessions/", "assets/procedure.json"
_OLD_KINDS = {"rule": NoteKind.RULE, "preference": NoteKind.RULE, "architecture": NoteKind.ARCHITECTURE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line. `commit` is an abbreviated id, `sources` are the files it is about; stale when one changed since."""

    kind: NoteKind
    text: str
    commit: str = ""
    sources: tuple[str, ...] = ()
    is_stale: bool = False

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that follow from the text; white space and case don't count."""
        return hashlib.sha256(" ".join(self.text.lower().split()).encode()).hexdigest()[:8]

    @property
    def line(self) -> str:
        """The note as a line of the file."""
        if not self.commit:
            return f"- {self.text}"
        about = "; ".join(filter(None, (self.commit[:_COMMIT_LENGTH], ", ".join(self.sources))))
        return f"- {self.text} [{about}]"


def new_note(kind: NoteKind, text: str, *, commit: str = "", sources: Iterable[str] = ()) -> Note:
    """Make a note. BadMemory when the text is empty, too long or hides characters, SecretFound when it has a secret."""
    text = " ".join(text.split())
    if not text:
        raise BadMemory("a note needs a text")
    if len(text) > MAX_NOTE_LENGTH:
        raise BadMemory(
            f"a note has at most {MAX_NOTE_LENGTH} characters", hint="write several, or point to a document"
        )
    if hidden := hidden_characters(text):
        raise BadMemory(f"hidden characters: {', '.join(hidden[:3])}")
    if secrets := find_secrets(text.encode()):
        raise SecretFound(f"the text contains a secret: {secrets[0].rule}", hint="name where it is kept instead")
    return Note(kind=kind, text=text, commit=commit[:_COMMIT_LENGTH], sources=tuple(sorted(set(sources))))


def parse_notes(text: str) -> tuple[Note, ...]:
    """Read the file's text. Headings may come twice, as after a union merge; the first of equal notes is kept."""
    kind, found = NoteKind.FACT, dict[str, Note]()
    for line in text.splitlines():
        if line.startswith("#"):
            kind = _KINDS.get(line.strip("# ").lower(), NoteKind.FACT)
        elif match := _LINE.match(line.rstrip()):
            sources = tuple(part.strip() for part in (match["sources"] or "").split(",") if part.strip())
            note = Note(kind=kind, text=match["text"].strip(), commit=match["commit"] or "", sources=sources)
            if note.text:
                found.setdefault(note.id, note)
        elif line.startswith("  ") and line.strip() and found:  # a line that a person wrapped
            last = found.popitem()[1]
            whole = replace(last, text=f"{last.text} {line.strip()}")
            found.setdefault(whole.id, whole)
    return tuple(found.values())


def format_notes(notes: Sequence[Note]) -> str:
    """The file's text: groups in their order, empty ones too, so that a union merge leaves each line in its group."""
    parts = [EMPTY]
    for kind, heading in _HEADINGS.items():
        lines = [note.line for note in notes if note.kind is kind]
        parts.append("\n".join([f"\n## {heading}\n", *lines, *([""] if lines else [])]))
    return "".join(parts)


def read_notes(repository: Repository, commit: str) -> tuple[Note, ...]:
    """Return the notes of a commit or tree, those marked stale whose sources are others than at the note's commit.

    A note whose commit this clone lacks counts as current.
    """
    data = repository.read_blob(commit, MEMORY_PATH)
    if data is None:
        return ()
    if len(data) > _MAX_BYTES:
        raise BadMemory(f"`{MEMORY_PATH}` is larger than {_MAX_BYTES} bytes")
    notes = parse_notes(data.decode(errors="replace"))
    return tuple(replace(note, is_stale=_has_moved(repository, commit, note)) for note in notes)


def find_note(notes: Sequence[Note], prefix: str) -> Note:
    """Return the note whose id starts with the prefix; BadMemory when none or several do."""
    found = [note for note in notes if prefix and note.id.startswith(prefix)]
    if len(found) != 1:
        problem = "several notes begin with" if found else "no such note:"
        raise BadMemory(f"{problem} `{prefix}`", hint="git mimo memory list")
    return found[0]


def add_notes(repository: Repository, commit: str, notes: Iterable[Note]) -> dict[str, bytes | None]:
    """Return the change of `.mimo/` that adds these notes or updates known ones; nothing when all are there."""
    known = {note.id: note for note in read_notes(repository, commit)}
    merged = known | {note.id: note for note in notes if note.id not in known or _pins_more(note, known[note.id])}
    return put_notes(repository, commit, tuple(merged.values()))


def put_notes(repository: Repository, commit: str, notes: Sequence[Note]) -> dict[str, bytes | None]:
    """Return the change of `.mimo/` that makes these the notes; nothing when they are."""
    data = format_notes(notes).encode()
    if data == repository.read_blob(commit, MEMORY_PATH):
        return {}
    changes: dict[str, bytes | None] = {MEMORY_PATH: data}
    if repository.read_blob(commit, ATTRIBUTES_PATH) is None:
        changes[ATTRIBUTES_PATH] = ATTRIBUTES
    return changes


def migrate(repository: Repository, commit: str) -> dict[str, bytes | None]:
    """Return the change that brings a commit's `.mimo/` of version 0.1 to the present form; nothing when it has it.

    Each fact that people said becomes a note. Lessons that a dream drew from failed candidates, session records and
    skills that replayed one diff go.
    """
    root = repository.find_entry(commit, ".mimo")
    entries = repository.list_paths(root.oid) if root is not None and root.mode == TREE else ()
    paths = [f".mimo/{entry.path}" for entry in entries]
    skills = [path.removesuffix(_OLD_SKILL) for path in paths if path.endswith(f"/{_OLD_SKILL}")]
    old = [path for path in paths if path.startswith((_OLD_FACTS, _OLD_RECORDS, *skills))]
    if not old:
        return {}
    facts = [_as_note(repository.read_blob(commit, path) or b"") for path in old if path.startswith(_OLD_FACTS)]
    notes = {note.id: note for note in reversed(facts) if note is not None}
    changed = put_notes(repository, commit, tuple(reversed(notes.values())))
    return {**dict.fromkeys(old), **changed, ATTRIBUTES_PATH: ATTRIBUTES}


def _pins_more(note: Note, known: Note) -> bool:
    """Whether a note has another commit or sources than its known form."""
    return bool(note.sources) and (known.is_stale or set(note.sources) > set(known.sources))


def _has_moved(repository: Repository, commit: str, note: Note) -> bool:
    if not note.commit or not note.sources:
        return False
    try:
        pinned = repository.tree_of(note.commit)
    except RepoError:
        return False
    return any(repository.find_entry(pinned, path) != repository.find_entry(commit, path) for path in note.sources)


def _as_note(data: bytes) -> Note | None:
    """A fact's file as a note; None for a dream's lesson and for what cannot be read."""
    try:
        header, body = read_document(data)
        if header.get("kind") == "lesson" or header.get("origin") == "untrusted":
            return None
        kind = _OLD_KINDS.get(str(header.get("kind")), NoteKind.FACT)
        text = " ".join(body.split())[:MAX_NOTE_LENGTH]
        sources = [str(source["path"]) for source in header.get("sources") or ()]
        return new_note(kind, text, commit="".join(header.get("commits", [])[:1]), sources=sources)
    except (BadMemory, SecretFound, KeyError, TypeError):
        return None
