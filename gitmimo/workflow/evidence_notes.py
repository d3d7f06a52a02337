"""Evidence as notes on commits and trees: their form, written once, read with doubt."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitmimo.codec import dump_json, from_json, to_json
from gitmimo.errors import RepoError
from gitmimo.evidence import Evidence, Verdict
from gitmimo.git import notes
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid, SessionId, is_session_id
from gitmimo.refnames import NOTES_REF

SCHEMA = "git-mimo/note/1"
MAX_NOTE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a landed change. `label` is merged, rejected, reverted or passed_over."""

    label: str
    commit: str = ""
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceNote:
    """What a note says; nobody has checked it again.

    `patches` are stable ids of whole branches that ended in this change: a squash by a forge is known by them, also in
    a clone that never had the branch.
    """

    session: SessionId
    candidate: int
    evidence: Evidence
    verdict: Verdict | None = None
    outcomes: tuple[Outcome, ...] = ()
    patches: tuple[str, ...] = ()


class DamagedNote(RepoError):
    """A note that is there but does not say what a note must say."""


def read_evidence(repository: Repository, target: Oid) -> EvidenceNote | None:
    """Return the note of a commit or tree; None without one, DamagedNote when it is not of our form."""
    text = notes.read_note(repository, target)
    return None if text is None else parse_note(text, target)


def parse_note(text: str, target: str) -> EvidenceNote:
    """Check a note's text and rebuild its records."""
    try:
        if len(text) > MAX_NOTE_BYTES:
            raise ValueError("too long")
        value = json.loads(text)
        if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        note = from_json(EvidenceNote, value)
        if not is_session_id(note.session) or not isinstance(note.evidence, Evidence):
            raise ValueError("it names no session")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        reason = str(exc)[:200]
        raise DamagedNote(
            f"the note on `{target[:12]}` cannot be read: {reason}", hint="git mimo ci   # tests the commit again"
        ) from exc
    return note


def write_evidence(repository: Repository, targets: Iterable[Oid], note: EvidenceNote) -> None:
    """Write one note on several objects, each once."""
    text = format_note(note)
    for target in dict.fromkeys(targets):
        notes.write_note(repository, target, text)


def format_note(note: EvidenceNote) -> str:
    """A note as it is stored; `outcomes` and `patches` only where there are any."""
    value: dict[str, Any] = {"schema": SCHEMA, **to_json(note)}
    for key in ("outcomes", "patches"):
        if not value[key]:
            del value[key]
    return dump_json(value)


def trees_of(repository: Repository, evidence: Evidence) -> set[Oid]:
    """The trees, without `.mimo/`, that evidence speaks of: the product, what was tested, and what landed.

    Those that this clone lacks are left out.
    """
    found = {evidence.tree}
    for tree in (evidence.tested_tree, evidence.result_tree, evidence.tests_tree):
        if tree is not None and repository.run("cat-file", "-e", tree, check=False).exit_code == 0:
            found.add(without_mimo(repository, tree))
    return found


def noted_objects(repository: Repository) -> tuple[Oid, ...]:
    """Every object that has a note; git keeps no order."""
    return tuple(target for _, target in note_blobs(repository))


def note_blobs(repository: Repository) -> tuple[tuple[Oid, Oid], ...]:
    """Every note as the blob of its text and the object that it is on."""
    if read_ref(repository, NOTES_REF) is None:
        return ()
    listed = repository.run("notes", f"--ref={NOTES_REF}", "list", check=False).text
    pairs = (line.partition(" ")[::2] for line in listed.splitlines() if " " in line)
    return tuple((Oid(blob), Oid(target)) for blob, target in pairs)


def outcomes_by_session(repository: Repository) -> Mapping[SessionId, tuple[Outcome, ...]]:
    """What became of every session whose change is noted here."""
    found: dict[SessionId, dict[tuple[str, str], Outcome]] = {}
    for target in noted_objects(repository):
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue
        for outcome in note.outcomes if note else ():
            found.setdefault(note.session if note else SessionId(""), {})[outcome.label, outcome.commit] = outcome
    return {session: tuple(outcomes.values()) for session, outcomes in found.items()}
