"""Evidence as notes: read with doubt, found for a commit by its id, its tree or its patch, carried to new commits."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gitmimo.errors import RepoError
from gitmimo.git import notes
from gitmimo.git.refs import NOTES_REF, read_ref
from gitmimo.git.repository import Repository
from gitmimo.git.tree import without_mimo
from gitmimo.records import Evidence, Oid, SessionId, Verdict, dump_json, from_json, is_session_id, to_json

SCHEMA = "git-mimo/note/1"
MAX_NOTE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a landed change. `label` is merged, rejected or reverted."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNote:
    """A note and how it belongs to the commit: by the `commit` itself, its `tree`, its `patch`, or the `session`."""

    note: EvidenceNote
    how: str
    target: Oid


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


def find_evidence(repository: Repository, commit: Oid, *, by_patch: bool = True) -> FoundNote | None:
    """Find the note that speaks of a commit; a rebased or squashed commit is recognised by tree, then by patch."""
    note = read_evidence(repository, commit)
    if note is not None:
        return FoundNote(note=note, how="commit", target=commit)
    tree = without_mimo(repository, repository.tree_of(commit))
    note = read_evidence(repository, tree)
    if note is not None:
        return FoundNote(note=note, how="tree", target=tree)
    if not by_patch:
        return None
    known = noted_patches(repository)
    mine = patch_ids(repository, {commit: None}).get(commit) if known else None
    target = known.get(mine) if mine else None
    note = read_evidence(repository, target) if target else None
    return FoundNote(note=note, how="patch", target=target) if note and target else None


def find_by_session(repository: Repository, session: SessionId) -> FoundNote | None:
    """Find a session's note wherever it stands; the one with the most to say about what became of it first."""
    if read_ref(repository, NOTES_REF) is None:
        return None
    said = repository.run(
        "grep", "-l", "-z", "--no-color", "--fixed-strings", f'"session":"{session}"', NOTES_REF, check=False
    ).text
    found: list[FoundNote] = []
    for name in filter(None, said.split("\0")):
        target = Oid(name.partition(":")[2].replace("/", ""))
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue
        if note is not None and note.session == session:
            found.append(FoundNote(note=note, how="session", target=target))
    return max(found, key=lambda item: len(item.note.outcomes) + len(item.note.patches), default=None)


def add_patch(repository: Repository, commit: Oid, base: Oid) -> None:
    """Name in the commit's note the patch that its whole branch makes from `base` on."""
    found = find_evidence(repository, commit, by_patch=False)
    key = patch_ids(repository, {commit: base}).get(commit)
    if found is None or key is None or key in found.note.patches:
        return
    note = replace(found.note, patches=(*found.note.patches, key))
    write_evidence(repository, (commit, found.target), note)


def noted_objects(repository: Repository) -> tuple[Oid, ...]:
    """Every object that has a note, newest note not first: git keeps no order."""
    if read_ref(repository, NOTES_REF) is None:
        return ()
    listed = repository.run("notes", f"--ref={NOTES_REF}", "list", check=False).text
    return tuple(Oid(line.partition(" ")[2]) for line in listed.splitlines() if " " in line)


def noted_patches(repository: Repository, *, limit: int = 2000) -> dict[str, Oid]:
    """Map every known patch to an object whose note speaks of it: noted commits, as they stand against their
    evidence's base, and the branches that notes name.
    """
    objects = noted_objects(repository)[-limit:]
    commits = set(_commits_among(repository, objects))
    against: dict[Oid, Oid | None] = {}
    named: dict[str, Oid] = {}
    for target in objects:
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue  # vouches for nothing
        if note is not None:
            named |= dict.fromkeys(note.patches, target)
            if target in commits:
                against[target] = note.evidence.base
    present = set(_commits_among(repository, list(dict.fromkeys(base for base in against.values() if base))))
    found = patch_ids(repository, {target: base for target, base in against.items() if base in present})
    return named | {key: target for target, key in reversed(found.items())}


def patch_ids(repository: Repository, commits: Mapping[Oid, Oid | None]) -> dict[Oid, str]:
    """Return the stable id of each commit's patch against the given commit or its parent, `.mimo/` left out.

    Merges without a given commit and empty patches have none.
    """
    if not commits:
        return {}
    asked = "".join(f"{commit} {against}\n" if against else f"{commit}\n" for commit, against in commits.items())
    patches = repository.run(
        *("diff-tree", "--stdin", "--root", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--no-renames", "--full-index", "--", ".", ":(top,exclude).mimo"),
        input=asked.encode(),
    ).stdout
    said = repository.run("patch-id", "--stable", input=patches).text
    pairs = (line.split() for line in said.splitlines())
    return {Oid(pair[1]): pair[0] for pair in pairs if len(pair) == 2}


def carry_notes(repository: Repository, commits: Sequence[Oid]) -> dict[Oid, str]:
    """Give commits without a note the one of the same tree or patch; say how each was recognised.

    Never overwrites: a note that is there stays.
    """
    have = set(noted_objects(repository))
    bare = [commit for commit in commits if commit not in have] if have else []
    sources: dict[Oid, tuple[Oid, str]] = {}
    for commit in bare:
        tree = without_mimo(repository, repository.tree_of(commit))
        if tree in have:
            sources[commit] = tree, "tree"
    left = [commit for commit in bare if commit not in sources]
    if left:
        known = noted_patches(repository)
        mine = patch_ids(repository, dict.fromkeys(left)) if known else {}
        sources |= {commit: (known[key], "patch") for commit, key in mine.items() if key in known}
    for commit, (source, _) in sources.items():
        text = notes.read_note(repository, source)
        if text is not None:
            notes.write_note(repository, commit, text)
    return {commit: how for commit, (_, how) in sources.items()}


def record_outcome(repository: Repository, commit: Oid, outcome: Outcome) -> bool:
    """Add what became of a change to its note; the same twice counts once. False when nothing is noted of it."""
    found = find_evidence(repository, commit)
    if found is None:
        return False
    said = {(known.label, known.commit) for known in found.note.outcomes}
    if (outcome.label, outcome.commit) in said:
        return False
    note = replace(found.note, outcomes=(*found.note.outcomes, outcome))
    write_evidence(repository, (found.target, commit, found.note.evidence.tree), note)
    return True


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


def _commits_among(repository: Repository, objects: Sequence[Oid]) -> list[Oid]:
    if not objects:
        return []
    asked = "\n".join(objects).encode() + b"\n"
    said = repository.run("cat-file", "--batch-check=%(objectname) %(objecttype)", input=asked).text
    return [Oid(line.partition(" ")[0]) for line in said.splitlines() if line.endswith(" commit")]
