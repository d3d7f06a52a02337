"""Evidence as notes on commits and trees: written, found by commit, tree, patch or session, copied to new commits."""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gitmimo.codec import dump_json, from_json, to_json
from gitmimo.errors import RepoError, UsageError
from gitmimo.evidence import Evidence, Verdict
from gitmimo.files import write_file
from gitmimo.git import notes
from gitmimo.git.commit import read_trailers
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid, SessionId, is_session_id
from gitmimo.refnames import NOTES_REF
from gitmimo.results import CandidateResult, SessionResult, SessionStatus

SCHEMA = "git-mimo/note/1"
MAX_NOTE_BYTES = 4_000_000
_SCHEMA = "git-mimo/patches/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a landed change. `label` is merged, rejected, reverted or passed_over."""

    label: str
    commit: str = ""
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceNote:
    """What a note says; it has not been checked again.

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
        if tree is not None and repository.has_object(tree):
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
    """The outcomes of all sessions that have a note here."""
    found: dict[SessionId, dict[tuple[str, str], Outcome]] = {}
    for target in noted_objects(repository):
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue
        for outcome in note.outcomes if note else ():
            found.setdefault(note.session if note else SessionId(""), {})[outcome.label, outcome.commit] = outcome
    return {session: tuple(outcomes.values()) for session, outcomes in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNote:
    """A note and how it belongs to the commit: by the `commit` itself, its `tree`, its `patch`, or the `session`."""

    note: EvidenceNote
    how: str
    target: Oid


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
    """Find a session's note on any object; the one with the most outcomes first."""
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


def copy_notes(repository: Repository, commits: Sequence[Oid]) -> dict[Oid, str]:
    """Copy to commits without a note that of the same tree or patch; return how each was recognised.

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
    """Add the outcome of a change to its note, once. False if it has no note."""
    found = find_evidence(repository, commit)
    if found is None:
        return False
    said = {(known.label, known.commit) for known in found.note.outcomes}
    if (outcome.label, outcome.commit) in said:
        return False
    note = replace(found.note, outcomes=(*found.note.outcomes, outcome))
    write_evidence(repository, (found.target, commit, found.note.evidence.tree), note)
    return True


def noted_patches(repository: Repository) -> dict[str, Oid]:
    """Map every known patch to an object whose note speaks of it: noted commits, as they stand against their
    evidence's base, and the branches that notes name.

    What was found out about a note is cached in the journals' directory, so that a pull costs no more with many notes.
    """
    blobs = note_blobs(repository)
    known = read_cache(repository)
    keys = {f"{blob} {target}": (blob, target) for blob, target in blobs}
    present = set(commits_among(repository, list(dict.fromkeys(target for _, target in blobs))))
    found = {
        key: known[key]
        for key, (_, target) in keys.items()
        if key in known and (known[key][0] or target not in present)
    }
    fresh = {key: pair for key, pair in keys.items() if key not in found}
    if fresh:
        found |= _look(repository, fresh, present)
    if fresh or len(known) != len(found):
        write_cache(repository, found)
    return {patch: keys[key][1] for key, (_, patches) in reversed(found.items()) for patch in patches}


def _look(
    repository: Repository, fresh: Mapping[str, tuple[Oid, Oid]], present: set[Oid]
) -> dict[str, tuple[bool, list[str]]]:
    """Read notes; say of each whether its commit could be compared, and its patches."""
    named: dict[str, list[str]] = {}
    against: dict[Oid, Oid] = {}
    for key, (blob, target) in fresh.items():
        named[key] = []
        try:
            note = parse_note(repository.read_object(blob).decode("utf-8", "surrogateescape"), target)
        except DamagedNote:
            continue  # vouches for nothing
        named[key] += note.patches
        if target in present:
            against[target] = note.evidence.base
    bases = set(commits_among(repository, list(dict.fromkeys(against.values()))))
    ids = patch_ids(repository, {target: base for target, base in against.items() if base in bases})
    return {
        key: (target in against and against[target] in bases, [*named[key], *filter(None, [ids.get(target)])])
        for key, (_, target) in fresh.items()
    }


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


def commits_among(repository: Repository, objects: Sequence[Oid]) -> list[Oid]:
    """Keep those that are commits of this clone."""
    if not objects:
        return []
    asked = "\n".join(objects).encode() + b"\n"
    said = repository.run("cat-file", "--batch-check=%(objectname) %(objecttype)", input=asked).text
    return [Oid(line.partition(" ")[0]) for line in said.splitlines() if line.endswith(" commit")]


def _cache_path(repository: Repository) -> Path:
    return repository.state_dir / "noted-patches.json"


def read_cache(repository: Repository) -> dict[str, tuple[bool, list[str]]]:
    """What was found out about notes before, by note: whether its commit could be compared, and its patches."""
    try:
        value = json.loads(_cache_path(repository).read_text(encoding="utf-8"))
        if value["schema"] != _SCHEMA:
            return {}
        return {
            str(key): (bool(done), [str(patch) for patch in patches]) for key, (done, patches) in value["notes"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # only a cache


def write_cache(repository: Repository, found: Mapping[str, tuple[bool, list[str]]]) -> None:
    """Keep what was found out; without room for it the next call does the work again."""
    path = _cache_path(repository)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps({"schema": _SCHEMA, "notes": found}))


def find_noted_session(repository: Repository, name: str | None) -> SessionResult | None:
    """Return the session with this name, or the newest, as far as notes know it; None without a note."""
    found: dict[SessionId, list[tuple[Oid, EvidenceNote]]] = {}
    for target in noted_objects(repository):
        try:
            note = read_evidence(repository, target)
        except DamagedNote:
            continue
        if note is not None:
            found.setdefault(note.session, []).append((target, note))
    wanted = (name or "").rstrip("/").rpartition("/")[2].rpartition("-")[2]
    matching = sorted(session for session in found if session.startswith(wanted))
    if not matching:
        return None
    if wanted and len(matching) > 1:
        raise UsageError(f"more than one session begins with `{wanted}`: {', '.join(matching[:5])}")
    return _rebuild(repository, matching[-1], found[matching[-1]])


def _rebuild(repository: Repository, session: SessionId, notes: list[tuple[Oid, EvidenceNote]]) -> SessionResult:
    note = max((note for _, note in notes), key=lambda note: len(note.outcomes))
    change, tip, message = _commits(repository, [target for target, _ in notes])
    trailers = read_trailers(message)
    candidate = CandidateResult(
        number=note.candidate,
        branch="",
        approach="",
        model=trailers.get("Assisted-by", "").removeprefix("git-mimo:"),
        strategy="",
        status="finished",
        commit=change,
        tree=note.evidence.tree,
        evidence=note.evidence,
    )
    return SessionResult(
        session=session,
        status=_status_of(note),
        task=re.split(r"\n\n(?=[A-Za-z-]+: )", message, maxsplit=1)[0].strip() or f"session {session}",
        base=note.evidence.base,
        target_branch=None,
        candidates=(candidate,),
        verdict=note.verdict,
        result_commit=tip,
        message="read from its note; the other candidates are in the clone that ran the session",
    )


def _commits(repository: Repository, targets: list[Oid]) -> tuple[Oid | None, Oid | None, str]:
    """Find the change commit, the result's tip and the change's message among what is noted and here."""
    change: Oid | None = None
    tip: Oid | None = None
    message = ""
    for target in targets:
        if not repository.has_object(f"{target}^{{commit}}"):
            continue
        text = repository.run("log", "-n1", "--format=%B", target).text
        if "Mimo-Candidate:" in text:
            change, message = target, text
        else:
            tip = target
    return change, tip or change, message


def _status_of(note: EvidenceNote) -> SessionStatus:
    if not note.evidence.passed:
        return SessionStatus.FAILED
    return SessionStatus.UNSETTLED if note.verdict and note.verdict.doubts else SessionStatus.PASSED
