"""Notes that sessions learned and nobody accepted yet: in the state directory, offered by the next dream."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.codec import dump_json, from_json
from gitmimo.errors import BadMemory, SecretFound
from gitmimo.files import write_file
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.memory.commands import Operation, effective_commands, noted_texts, working_forms
from gitmimo.memory.notes import MAX_NOTE_LENGTH, Note, NoteKind, new_note, read_notes
from gitmimo.records import Step
from gitmimo.text import words_of

REVISION = "Work in the review of: "  # how the task of a session begins that works review comments in
SAME = 0.6  # of the words: two notes that say the same
_MOST_NOTES = 12  # of one session
_DIRECTORY, _DECLINED = "learned", "declined.json"
_COMMAND = re.compile(r"^(?:run|use|call|start|build)\b|`(?:\w+=\S+ )*(?:python|sh|bash|make|npm|cargo|go|\./)", re.I)
_TELLING = re.compile(r"`|\d|/|[a-z]_[a-z]|\w\.\w|[A-Z]{2,}|[a-z][A-Z]")
_LINTED = re.compile(
    r"\b(?:line length|import order|sort(?:ed)? imports|trailing whitespace|indent|ruff|black|eslint)", re.I
)
_LINTERS = (
    ".pre-commit-config.yaml",
    ".editorconfig",
    "ruff.toml",
    ".ruff.toml",
    ".flake8",
    "eslint.config.js",
    ".prettierrc",
)
_PATH = re.compile(r"[\w./-]*\w\.\w+|[\w.-]+(?:/[\w.-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What one session learned: notes to offer, and the winner's commands that had an effect."""

    session: str
    notes: tuple[Note, ...] = ()
    commands: tuple[str, ...] = ()
    task: str = ""
    operation: Operation | None = None  # where the session was one, and passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A note that isn't in the memory, with the sessions that learned it."""

    note: Note
    sessions: tuple[str, ...]

    @property
    def is_confirmed(self) -> bool:
        """Whether two sessions learned it independently."""
        return len(self.sessions) > 1


def learn(
    repository: Repository,
    session: str,
    steps: Sequence[Step],
    *,
    base: Oid,
    changed: Iterable[str] = (),
    said: Iterable[str] = (),
) -> Learned:
    """Collect what a session learned from its winner's steps and people's comments; calls no model.

    A note's sources are the files that it names and the session did not change: those that a task of its kind always
    changes would make it stale at once. Outputs of commands never become a note.
    """
    touched = {*changed, *(path for step in steps for path in step.changed_paths)}
    told = [*((NoteKind.RULE, text) for text in said), *((_kind_of(text), text) for text in noted_texts(steps))]
    texts = [(kind, text) for kind, text in told if is_specific(text)]
    for failed, right in working_forms(steps, is_project_file=lambda path: _is_file(repository, base, path)):
        texts.append((NoteKind.COMMAND, f"run `{right}`; `{failed}` fails"))
    notes: list[Note] = []
    for kind, text in texts:
        note = _made(repository, base, kind, text, touched)
        if note is not None and not any(is_same(note.text, other.text) for other in notes):
            notes.append(note)
    return Learned(session=session, notes=tuple(notes[:_MOST_NOTES]), commands=effective_commands(steps))


def remarks_in(task: str) -> tuple[str, ...]:
    """The reviewers' remarks in the task of a revision, a line each and without names; none in any other task."""
    if not task.startswith(REVISION):
        return ()
    lines = (line.removeprefix("> ") for line in task.splitlines() if line.startswith("> "))
    return tuple(re.sub(r"^[\w-]+: ", "", line) for line in lines)


def keep_learned(repository: Repository, learned: Learned) -> None:
    """Store what a session learned, so that it outlives the session's steps."""
    path = _directory(repository) / f"{learned.session}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, dump_json(learned))


def read_learned(repository: Repository) -> tuple[Learned, ...]:
    """What every session learned, oldest first; a damaged file counts as none."""
    found = []
    for path in sorted(_directory(repository).glob("*.json")):
        try:
            found.append(from_json(Learned, json.loads(path.read_text())))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return tuple(found)


def open_offers(repository: Repository, commit: str, learned: Sequence[Learned]) -> tuple[Offer, ...]:
    """The notes that the commit's memory lacks and that were not declined, the most frequent first."""
    known = [note.text for note in read_notes(repository, commit)]
    declined = read_declined(repository)
    groups: list[tuple[Note, dict[str, None]]] = []
    for item in learned:
        for note in item.notes:
            if note.id in declined or any(is_same(note.text, text) for text in known):
                continue
            group = next((group for group in groups if is_same(group[0].text, note.text)), None)
            if group is None:
                groups.append((note, {item.session: None}))
            else:
                group[1][item.session] = None
    offers = [Offer(note=note, sessions=tuple(sessions)) for note, sessions in groups]
    return tuple(sorted(offers, key=lambda offer: -len(offer.sessions)))


def read_declined(repository: Repository) -> frozenset[str]:
    """The declined offers: notes by id, drafts by name."""
    try:
        return frozenset(map(str, json.loads((repository.state_dir / _DECLINED).read_text())))
    except (OSError, ValueError):
        return frozenset()


def decline(repository: Repository, ids: Iterable[str]) -> None:
    """Remember that the user declined, so that it is not offered again."""
    repository.state_dir.mkdir(parents=True, exist_ok=True)
    (repository.state_dir / _DECLINED).write_text(json.dumps(sorted(read_declined(repository) | set(ids))))


def is_same(one: str, other: str) -> bool:
    """Whether two notes say the same, by their words; different numbers make a different fact."""
    first, second = set(words_of(one)), set(words_of(other))
    numbers = [set(re.findall(r"\d+", text)) for text in (one, other)]
    return bool(first) and numbers[0] == numbers[1] and len(first & second) >= SAME * len(first | second)


def is_specific(text: str) -> bool:
    """Whether a text names something: a path, a number, a command, an identifier."""
    return len(text.split()) >= 4 and bool(_TELLING.search(text))


def _made(repository: Repository, base: Oid, kind: NoteKind, text: str, changed: set[str]) -> Note | None:
    if _LINTED.search(text) and any(repository.find_entry(base, name) for name in _LINTERS):
        return None  # what a linter says needs no memory
    named = [path.removeprefix("./").rstrip(".") for path in _PATH.findall(text)]
    sources = [path for path in named if path not in changed and _is_file(repository, base, path)]
    try:
        return new_note(kind, text[:MAX_NOTE_LENGTH], commit=base, sources=sources)
    except (BadMemory, SecretFound):
        return None


def _kind_of(text: str) -> NoteKind:
    return NoteKind.COMMAND if _COMMAND.search(text) else NoteKind.FACT


def _is_file(repository: Repository, commit: str, path: str) -> bool:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts:
        return False
    return repository.find_entry(commit, path) is not None


def _directory(repository: Repository) -> Path:
    return repository.state_dir / _DIRECTORY
