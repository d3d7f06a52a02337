"""What people do with results, as labels on what was learned: merged, rejected, reverted, passed over."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gitmimo.git.commit import read_trailers
from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.memory.facts import Fact, FactStatus
from gitmimo.memory.library import quarantine, read_library, record_use
from gitmimo.memory.outcomes import Label
from gitmimo.memory.session_record import add_label, is_readable, read_labels, read_skill_name, read_told, record_path
from gitmimo.memory.store import Changes, read_memory, replace_facts
from gitmimo.records import Oid

_AGAINST = (Label.REJECTED, Label.REVERTED)
_MERGES = re.compile(r"Merge mimo session ([0-9a-z]{10})\b")
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,40})\b", re.M)


def judge_session(
    repository: Repository,
    commit: Oid,
    session: str,
    label: Label,
    *,
    now: datetime,
    told: Sequence[str] = (),
    skill: str | None = None,
) -> Changes:
    """Return the changes to the commit's `.mimo/` that record a person's judgement of a session; once for each label.

    What the session taught is confirmed by a merge and loses its standing by a rejection or a revert. `told` are ids
    of facts that its candidates were given, `skill` the one that was replayed, both else as the record says: they
    share the credit or the blame.
    """
    path = record_path(session)
    record = repository.read_blob(commit, path)
    if record is not None and (label.value in read_labels(record) or not is_readable(record)):
        return {}  # what can't be noted in the record would count again each time
    changes: Changes = {}
    told = told or (read_told(record) if record is not None else ())
    judged = [
        _judged(fact, label, learned=session in fact.sessions)
        for fact in read_memory(repository, commit, check_sources=False).facts
        if session in fact.sessions or fact.id in told
    ]
    if judged:
        changes |= replace_facts(repository, commit, judged)
    used = skill or (read_skill_name(record) if record is not None else None)
    for known in read_library(repository, commit).skills:
        if known.metadata.get("git-mimo.sessions") == session:
            if label in _AGAINST:
                changes |= quarantine(known, f"the result it was made from was {label.value}", now=now)
        elif known.name == used:
            changes |= record_use(known, label, session=session, now=now)
    if record is not None:
        changes[path] = add_label(record, label.value)
    return changes


def judge_sessions(
    repository: Repository, commit: Oid, labels: Mapping[str, Iterable[Label]], *, now: datetime
) -> Changes:
    """Return the changes that record all judgements which the commit's records don't hold yet.

    Sessions without a record in the commit have taught nothing there and are passed over.
    """
    changes: Changes = {}
    tree = repository.tree_of(commit)
    for session in sorted(labels):
        if repository.read_blob(commit, record_path(session)) is None:
            continue
        for label in sorted(set(labels[session])):
            found = judge_session(repository, tree, session, label, now=now)
            tree = put_files(repository, tree, found) if found else tree
            changes |= found
    return changes


def note_told(repository: Repository, commit: Oid, told: Sequence[str]) -> Changes:
    """Return the changes that count one more use of each of these facts."""
    facts = read_memory(repository, commit, check_sources=False).facts
    used = [replace(fact, uses=fact.uses + 1) for fact in facts if fact.id in told]
    return replace_facts(repository, commit, used) if used else {}


def find_reverted_sessions(repository: Repository, tip: Oid, *, limit: int = 500) -> dict[str, Oid]:
    """Return the sessions whose commits were reverted among the last `limit` commits, with the reverting commit.

    Seen by git's own words in the reverting commit's message; a revert with another message is not seen. One that was
    itself reverted later doesn't count.
    """
    format_ = "--format=%H%x00%B%x01"
    text = repository.run("log", f"--max-count={limit}", format_, tip).text
    reverted: dict[str, Oid] = {}
    undone: set[str] = set()
    for item in text.split("\x01"):
        oid, _, message = item.strip("\n").partition("\0")
        match = _REVERTS.search(message)
        if not match or any(oid.startswith(prefix) for prefix in undone):
            continue
        undone.add(match[1])
        session = _session_of(repository, match[1])
        if session:
            reverted.setdefault(session, Oid(oid))
    return reverted


def _session_of(repository: Repository, rev: str) -> str:
    """The session whose change a commit is, or whose merge."""
    done = repository.run("log", "--max-count=1", "--format=%B", rev, check=False)
    if done.exit_code:
        return ""
    merged = _MERGES.match(done.text)
    return read_trailers(done.text).get("Mimo-Session") or (merged[1] if merged else "")


def _judged(fact: Fact, label: Label, *, learned: bool) -> Fact:
    if label is Label.MERGED:
        return replace(fact, helped=fact.helped + 1)
    if label in _AGAINST:
        status = FactStatus.UNVERIFIED if learned and fact.status is FactStatus.VERIFIED else fact.status
        return replace(fact, hurt=fact.hurt + 1, status=status)
    return fact
