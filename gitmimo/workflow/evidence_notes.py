"""Evidence as notes on commits and trees: written, found by commit, tree, patch or session, copied to new commits."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitmimo.codec import dump_json, from_json, to_json
from gitmimo.errors import RepoError
from gitmimo.evidence import Evidence, Verdict
from gitmimo.git.commit import read_note, write_note
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.git.trees import without_mimo
from gitmimo.ids import NOTES_REF, Oid, SessionId, is_session_id

SCHEMA = "git-mimo/note/1"
MAX_NOTE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceNote:
    """What a note says; it has not been checked again.

    `patches` are stable ids of the commits of a result and of whole branches that ended in it: what a rebase or a
    squash by a forge made of them is known by these, also in a clone that never had the branch.
    """

    session: SessionId
    candidate: int
    evidence: Evidence
    verdict: Verdict | None = None
    patches: tuple[str, ...] = ()


class DamagedNote(RepoError):
    """A note that is there but does not say what a note must say."""


def read_evidence(repository: Repository, target: Oid) -> EvidenceNote | None:
    """Return the note of a commit or tree; None without one, DamagedNote when it is not of our form."""
    text = read_note(repository, target)
    return None if text is None else parse_note(text, target)


def parse_note(text: str, target: str) -> EvidenceNote:
    """Check a note's text and rebuild its records."""
    try:
        if len(text) > MAX_NOTE_BYTES:
            raise ValueError("too long")
        value = json.loads(text)
        if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        value.pop("outcomes", None)  # of older versions, which wrote rejections into notes
        note = from_json(EvidenceNote, value)
        if not is_session_id(note.session) or not isinstance(note.evidence, Evidence):
            raise ValueError("it names no session")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        reason = str(exc)[:200]
        raise DamagedNote(
            f"the note on `{target[:12]}` cannot be read: {reason}", hint="git mimo ci   # tests the commit again"
        ) from exc
    return note


def write_evidence(
    repository: Repository, targets: Iterable[Oid], note: EvidenceNote, *, commits: Sequence[Oid] = ()
) -> None:
    """Write one note on several objects, each once; it names the patches that new `commits` make from its base."""
    made = patch_ids(repository, dict.fromkeys(commits, note.evidence.base)).values()
    value: dict[str, Any] = {
        "schema": SCHEMA,
        **to_json(replace(note, patches=tuple(dict.fromkeys((*note.patches, *made))))),
    }
    if not value["patches"]:
        del value["patches"]
    text = dump_json(value)
    for target in dict.fromkeys((*commits, *targets)):
        write_note(repository, target, text)


def trees_of(repository: Repository, evidence: Evidence) -> set[Oid]:
    """The trees, without `.mimo/`, that evidence speaks of: the product, what was tested, and what landed.

    Those that this clone lacks are left out.
    """
    found = {evidence.tree}
    for tree in (evidence.tested_tree, evidence.result_tree, evidence.tests_tree):
        if tree is not None and repository.has_object(tree):
            found.add(without_mimo(repository, tree))
    return found


def _notes_with(repository: Repository, texts: Iterable[str]) -> list[tuple[Oid, EvidenceNote]]:
    """The notes that hold one of these texts, each with its object; a damaged one vouches for nothing."""
    wanted = "\n".join(texts)
    if not wanted or read_ref(repository, NOTES_REF) is None:
        return []
    said = repository.run(
        "grep", "-l", "-z", "--no-color", "--fixed-strings", "-f", "-", NOTES_REF, check=False, input=wanted.encode()
    ).text
    found = []
    for name in filter(None, said.split("\0")):
        target = Oid(name.partition(":")[2].replace("/", ""))
        with contextlib.suppress(DamagedNote):
            note = read_evidence(repository, target)
            found += [(target, note)] if note is not None else []
    return found


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
    for key in patch_ids(repository, {commit: None}).values():
        for target, noted in _notes_with(repository, [key]):
            if key in noted.patches:
                return FoundNote(note=noted, how="patch", target=target)
    return None


def find_by_session(repository: Repository, session: SessionId) -> FoundNote | None:
    """Find a session's note on any object; the one with the most patches first."""
    found = _notes_with(repository, [f'"session":"{session}"'])
    known = [FoundNote(note=note, how="session", target=target) for target, note in found if note.session == session]
    return max(known, key=lambda item: len(item.note.patches), default=None)


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
    listed = repository.run("notes", f"--ref={NOTES_REF}", "list", check=False).text
    have = {Oid(line.partition(" ")[2]) for line in listed.splitlines()}
    bare = [commit for commit in commits if commit not in have] if have else []
    trees = {commit: without_mimo(repository, repository.tree_of(commit)) for commit in bare}
    sources = {commit: (tree, "tree") for commit, tree in trees.items() if tree in have}
    mine = patch_ids(repository, {commit: None for commit in bare if commit not in sources})
    known = {patch: target for target, note in _notes_with(repository, mine.values()) for patch in note.patches}
    sources |= {commit: (known[patch], "patch") for commit, patch in mine.items() if patch in known}
    for commit, (source, _) in sources.items():
        text = read_note(repository, source)
        if text is not None:
            write_note(repository, commit, text)
    return {commit: how for commit, (_, how) in sources.items()}


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
