"""The note that speaks of a commit, found by its id, tree, patch or session, and carried to new commits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitmimo.git import notes
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.mimo_dir import without_mimo
from gitmimo.records import Oid, SessionId
from gitmimo.refnames import NOTES_REF
from gitmimo.workflow.evidence_notes import (
    DamagedNote,
    EvidenceNote,
    Outcome,
    noted_objects,
    read_evidence,
    write_evidence,
)
from gitmimo.workflow.noted_patches import noted_patches, patch_ids


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
